#include <arrow/array/array_binary.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/builder_binary.h>
#include <arrow/extension_type.h>

#include "columnar_read_file.h"
#include "ns_columns.h"

// Arrow's types and arrays as columns of ours.

namespace ns::columnar {

namespace {

int unit_digits(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 0;
    case arrow::TimeUnit::MILLI: return 3;
    case arrow::TimeUnit::MICRO: return 6;
    default: return 9;
  }
}

/// The kind of a type's arrays; -1 where they are not read.
int kind_of(const arrow::DataType &type) {
  switch (type.id()) {
    case arrow::Type::NA: return ns_column_null;
    case arrow::Type::BOOL: return ns_column_boolean;
    case arrow::Type::INT8: return ns_column_int8;
    case arrow::Type::INT16: return ns_column_int16;
    case arrow::Type::INT32: return ns_column_int32;
    case arrow::Type::INT64:
    case arrow::Type::DURATION: return ns_column_int64;
    case arrow::Type::UINT8: return ns_column_uint8;
    case arrow::Type::UINT16: return ns_column_uint16;
    case arrow::Type::UINT32: return ns_column_uint32;
    case arrow::Type::UINT64: return ns_column_uint64;
    case arrow::Type::HALF_FLOAT: return ns_column_float16;
    case arrow::Type::FLOAT: return ns_column_float32;
    case arrow::Type::DOUBLE: return ns_column_float64;
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: return ns_column_decimal;
    case arrow::Type::DATE32: return ns_column_date32;
    case arrow::Type::DATE64: return ns_column_date64;
    case arrow::Type::TIMESTAMP: return ns_column_timestamp;
    case arrow::Type::TIME32: return ns_column_time32;
    case arrow::Type::TIME64: return ns_column_time64;
    case arrow::Type::STRING: return ns_column_text;
    case arrow::Type::LARGE_STRING: return ns_column_large_text;
    case arrow::Type::BINARY: return ns_column_binary;
    case arrow::Type::LARGE_BINARY: return ns_column_large_binary;
    case arrow::Type::FIXED_SIZE_BINARY: return ns_column_fixed_binary;
    default: return -1;
  }
}

/// The type that values of `type` have once they are settled; null where they are not read.
std::shared_ptr<arrow::DataType> settled(const std::shared_ptr<arrow::DataType> &type) {
  switch (type->id()) {
    case arrow::Type::EXTENSION:
      return settled(static_cast<const arrow::ExtensionType &>(*type).storage_type());
    case arrow::Type::STRING_VIEW: return arrow::large_utf8();
    case arrow::Type::BINARY_VIEW: return arrow::large_binary();
    default: break;
  }
  if (kind_of(*type) < 0) return nullptr;
  if (arrow::is_decimal(type->id())) {
    const int scale = static_cast<const arrow::DecimalType &>(*type).scale();
    if (scale < -76 || scale > 76) return nullptr;
  }
  return type;
}

/// Copies text out of views, whose lengths and places are checked first.
std::shared_ptr<arrow::Array> without_views(const std::shared_ptr<arrow::Array> &array,
                                            bool is_text, arrow::MemoryPool *pool) {
  // As binary, because text that is no UTF-8 is told record by record, not here.
  const auto data = array->data()->Copy();
  data->type = arrow::binary_view();
  const auto views = std::make_shared<arrow::BinaryViewArray>(data);
  check(views->ValidateFull());
  arrow::LargeBinaryBuilder builder(pool);
  check(builder.Reserve(views->length()));
  for (int64_t i = 0; i < views->length(); i++) {
    check(views->IsNull(i) ? builder.AppendNull() : builder.Append(views->GetView(i)));
  }
  std::shared_ptr<arrow::Array> result;
  check(builder.Finish(&result));
  if (!is_text) return result;
  const auto text = result->data()->Copy();
  text->type = arrow::large_utf8();
  return arrow::MakeArray(text);
}

[[noreturn]] void fail_outside() {
  throw Failure{ns_columnar_damaged, "a value lies outside of its buffer"};
}

template <typename Typed>
void check_bounds(const arrow::Array &array) {
  const auto &typed = static_cast<const Typed &>(array);
  ns_column column = {};
  column.kind = kind_of(*array.type());
  // An array of no values need have no offsets.
  if (array.length() == 0) return;
  column.values = typed.raw_value_offsets() - array.offset();
  column.first = array.offset();
  const uint64_t byte_count =
      typed.value_data() == nullptr ? 0 : static_cast<uint64_t>(typed.value_data()->size());
  if (!ns_column_has_bounds(&column, static_cast<uint32_t>(array.length()), byte_count)) {
    fail_outside();
  }
}

void check_indices(const arrow::DictionaryArray &array) {
  const auto &indices = *array.indices();
  ns_column column = {};
  column.kind = kind_of(*indices.type());
  const auto &buffer = indices.data()->buffers[1];
  column.values = buffer == nullptr ? nullptr : buffer->data();
  column.validity = indices.null_count() == 0 ? nullptr : indices.null_bitmap_data();
  column.first = indices.offset();
  if (indices.length() == 0) return;
  const uint64_t limit = static_cast<uint64_t>(array.dictionary()->length());
  if (!ns_column_is_below(&column, static_cast<uint32_t>(indices.length()), limit)) {
    throw Failure{ns_columnar_damaged, "a value is not in its dictionary"};
  }
}

std::shared_ptr<arrow::Array> settle_values(const std::shared_ptr<arrow::Array> &array,
                                            arrow::MemoryPool *pool) {
  switch (array->type_id()) {
    case arrow::Type::EXTENSION:
      return settle_values(static_cast<const arrow::ExtensionArray &>(*array).storage(), pool);
    case arrow::Type::STRING_VIEW: return without_views(array, true, pool);
    case arrow::Type::BINARY_VIEW: return without_views(array, false, pool);
    default: break;
  }
  check(array->Validate());
  switch (array->type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY: check_bounds<arrow::BinaryArray>(*array); break;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: check_bounds<arrow::LargeBinaryArray>(*array); break;
    default: break;
  }
  return array;
}

std::shared_ptr<arrow::Array> settle_dictionary(const std::shared_ptr<arrow::Array> &array,
                                                arrow::MemoryPool *pool,
                                                CheckedDictionary &checked) {
  check(array->Validate());
  const auto &encoded = static_cast<const arrow::DictionaryArray &>(*array);
  check_indices(encoded);
  const auto &dictionary = encoded.dictionary();
  if (checked != nullptr && checked == dictionary->data()) return array;
  const auto values = settle_values(dictionary, pool);
  if (values == dictionary) {
    checked = dictionary->data();
    return array;
  }
  const auto type = arrow::dictionary(encoded.indices()->type(), values->type());
  return take(arrow::DictionaryArray::FromArrays(type, encoded.indices(), values));
}

}  // namespace

Column describe(const arrow::Field &field) {
  Column column;
  column.name = field.name();
  column.type_name = field.type()->ToString();
  column.is_nullable = field.nullable();
  std::shared_ptr<arrow::DataType> type = field.type();
  while (type->id() == arrow::Type::EXTENSION) {
    type = static_cast<const arrow::ExtensionType &>(*type).storage_type();
  }
  if (type->id() == arrow::Type::DICTIONARY) {
    const auto &encoded = static_cast<const arrow::DictionaryType &>(*type);
    column.values = settled(encoded.value_type());
    column.indices = encoded.index_type();
  } else {
    column.values = settled(type);
  }
  return column;
}

void describe(const arrow::DataType &type, ns_columnar_column &column) {
  column.kind = kind_of(type);
  switch (type.id()) {
    case arrow::Type::TIMESTAMP: {
      const auto &timestamp = static_cast<const arrow::TimestampType &>(type);
      column.unit_digits = unit_digits(timestamp.unit());
      column.has_zone = !timestamp.timezone().empty();
      break;
    }
    case arrow::Type::TIME32:
    case arrow::Type::TIME64:
      column.unit_digits = unit_digits(static_cast<const arrow::TimeType &>(type).unit());
      break;
    case arrow::Type::FIXED_SIZE_BINARY:
      column.width = static_cast<const arrow::FixedSizeBinaryType &>(type).byte_width();
      break;
    default: break;
  }
  if (!arrow::is_decimal(type.id())) return;
  const auto &decimal = static_cast<const arrow::DecimalType &>(type);
  column.width = decimal.byte_width();
  column.scale = decimal.scale();
}

std::shared_ptr<arrow::Array> settle(const Column &column, std::shared_ptr<arrow::Array> array,
                                     arrow::MemoryPool *pool, CheckedDictionary &checked) {
  while (array->type_id() == arrow::Type::EXTENSION) {
    array = static_cast<const arrow::ExtensionArray &>(*array).storage();
  }
  if (array->length() > UINT32_MAX) {
    throw Failure{ns_columnar_limit, "holds " + std::to_string(array->length()) + " values"};
  }
  const bool is_dictionary = array->type_id() == arrow::Type::DICTIONARY;
  array = is_dictionary ? settle_dictionary(array, pool, checked) : settle_values(array, pool);
  const arrow::DataType *values = array->type().get();
  if (is_dictionary) {
    const auto &encoded = static_cast<const arrow::DictionaryType &>(*values);
    values = encoded.value_type().get();
    if (column.indices == nullptr || !encoded.index_type()->Equals(*column.indices)) {
      values = nullptr;
    }
  }
  if (values == nullptr || !values->Equals(*column.values)) {
    throw Failure{ns_columnar_damaged, "holds " + array->type()->ToString() + ", the schema says " +
                                           column.type_name};
  }
  array->null_count();  // counted here, once
  return array;
}

}  // namespace ns::columnar
