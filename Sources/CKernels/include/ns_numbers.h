#pragma once

// Numbers as text: the nearest double of a decimal, the shortest decimal of a double.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Reads the whole of [begin, end), without spaces and tabs around it, as a double.
//
// Takes what std::from_chars takes in its general format (decimal digits, a point, an exponent),
// a leading '+', and in any case "inf", "infinity" and "nan" with a sign. Hexadecimal, digit
// separators and empty text are refused. The result is the nearest double, ties to even; too
// large is an infinity, too small a zero.
//
// Returns 1 and sets *value, or returns 0.
int ns_parse_double(const uint8_t *begin, const uint8_t *end, double *value);

// Most characters ns_format_double writes.
#define NS_DOUBLE_TEXT_LIMIT 32

// Writes the shortest decimal that reads back as the same double, laid out as Python's repr does:
// positional from 1e-4 to below 1e16 ("0.1", "100000.0"), else with an exponent ("1e-05",
// "1.5e+300"). A number with no fraction keeps ".0", so that readers which guess types see floats.
// What JSON has no number for, infinities and NaN, is written as null.
//
// Returns the number of characters; no zero is appended.
size_t ns_format_double(double value, char *output);

// The same with the shortest decimal that reads back as the same float.
size_t ns_format_float(float value, char *output);

// Writes the digits of two numbers below 10^8, eight each with zeros in front, as the functions
// above do: for tests, which compare the code for any machine (`portable` is not 0) with this
// machine's own.
//
// Returns how many digits there are up to the last that is not zero.
size_t ns_write_sixteen_digits(int portable, uint64_t high, uint64_t low, char *output);

#ifdef __cplusplus
}
#endif
