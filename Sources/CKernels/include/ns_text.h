#pragma once

// Bytes of text: checks, escapes and quotes.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Whether the bytes are UTF-8 by table 3-7 of the Unicode standard (no surrogates, nothing
// overlong, nothing above U+10FFFF).
int ns_is_utf8(const uint8_t *text, size_t count);

// Whether the bytes are a number by RFC 8259, section 6.
int ns_is_json_number(const uint8_t *text, size_t count);

// Writes text as the inside of a JSON string. `output` has room for 6 * count bytes.
// Returns the number of bytes written.
size_t ns_json_escape(const uint8_t *text, size_t count, uint8_t *output);

// Whether a CSV field has to be quoted: a delimiter, a quote, a line feed or a CR is in it.
int ns_csv_needs_quotes(const uint8_t *text, size_t count, uint8_t delimiter);

// Writes text with its quotes doubled. `output` has room for 2 * count bytes.
size_t ns_csv_double_quotes(const uint8_t *text, size_t count, uint8_t *output);

// Writes text with its doubled quotes single. `output` has room for count bytes.
size_t ns_csv_single_quotes(const uint8_t *text, size_t count, uint8_t *output);

#ifdef __cplusplus
}
#endif
