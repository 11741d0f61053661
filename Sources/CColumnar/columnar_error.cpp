#include "columnar_error.h"

#include <parquet/exception.h>

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

namespace ns::columnar {

namespace {

ns_columnar_code code_of(const arrow::Status &status) {
  if (status.IsOutOfMemory() || status.IsCapacityError()) return ns_columnar_limit;
  if (status.IsNotImplemented()) return ns_columnar_unsupported;
  return ns_columnar_damaged;
}

}  // namespace

void check(const arrow::Status &status) {
  if (!status.ok()) throw Failure{code_of(status), status.message()};
}

Failure current_failure() {
  try {
    throw;
  } catch (Failure &failure) {
    return std::move(failure);
  } catch (const parquet::ParquetStatusException &exception) {
    return {code_of(exception.status()), exception.status().message()};
  } catch (const std::bad_alloc &) {
    return {ns_columnar_limit, "there is not enough memory"};
  } catch (const std::length_error &) {
    return {ns_columnar_damaged, "a length is out of range"};
  } catch (const std::exception &exception) {
    return {ns_columnar_damaged, exception.what()};
  } catch (...) {
    return {ns_columnar_damaged, "an unknown exception"};
  }
}

void set(ns_columnar_error *error, const Failure &failure) {
  error->code = failure.code;
  size_t count = 0;
  for (const char character : failure.context) {
    if (count == NS_COLUMNAR_CONTEXT_LIMIT - 1) break;
    error->context[count++] = character >= ' ' && character <= '~' ? character
                              : character == '\n'                  ? ' '
                                                                   : '?';
  }
  error->context[count] = 0;
}

}  // namespace ns::columnar
