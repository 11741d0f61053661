#pragma once

// Why a columnar file could not be read or written.

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  ns_columnar_ok = 0,
  ns_columnar_callback = 1,     // the caller's own function failed
  ns_columnar_damaged = 2,      // the bytes are not what their format says
  ns_columnar_unsupported = 3,  // a feature of the format, or a type, that is not read or written
  ns_columnar_limit = 4,        // more columns, metadata or memory than is allowed
  ns_columnar_argument = 5,     // a column, row group or format that is not there
} ns_columnar_code;

#define NS_COLUMNAR_CONTEXT_LIMIT 512

/// What went wrong and where; set only where a function says that it failed.
typedef struct {
  int32_t code;                             // ns_columnar_code
  char context[NS_COLUMNAR_CONTEXT_LIMIT];  // printable ASCII ending in zero: place and numbers
} ns_columnar_error;

#ifdef __cplusplus
}
#endif
