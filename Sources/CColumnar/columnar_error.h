#pragma once

// Failures inside the library: C++ exceptions up to the C functions, ns_columnar_error from there.

#include <arrow/result.h>
#include <arrow/status.h>

#include <string>
#include <utility>

#include "include/columnar_error.h"

namespace ns::columnar {

/// What is thrown between our own functions.
struct Failure {
  ns_columnar_code code;
  std::string context;
};

/// Throws what a status says, unless it is good.
void check(const arrow::Status &status);

template <typename Value>
Value take(arrow::Result<Value> result) {
  check(result.status());
  return std::move(result).ValueUnsafe();
}

/// What is being caught: one of our failures, one of Arrow's or one of the standard library's.
Failure current_failure();

/// Sets an error; what is not printable ASCII becomes '?'.
void set(ns_columnar_error *error, const Failure &failure);

/// Runs `body` and returns what it does, or sets `error` and returns `otherwise`.
template <typename Value, typename Body>
Value guarded(ns_columnar_error *error, Value otherwise, Body body) noexcept {
  try {
    return body();
  } catch (...) {
    set(error, current_failure());
    return otherwise;
  }
}

}  // namespace ns::columnar
