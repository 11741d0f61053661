#include "columnar_write_common.h"

namespace ns::results {

static std::shared_ptr<arrow::DataType> data_type(int code) {
  switch (code) {
    case NS_RESULT_BOOLEAN: return arrow::boolean();
    case NS_RESULT_INTEGER: return arrow::int64();
    case NS_RESULT_NUMBER: return arrow::float64();
    case NS_RESULT_FLOAT: return arrow::float32();
    case NS_RESULT_TEXT: return arrow::utf8();
    case NS_RESULT_BINARY: return arrow::binary();
    case NS_RESULT_DATE: return arrow::date32();
    case NS_RESULT_TIMESTAMP: return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    default: return nullptr;
  }
}

arrow::Result<std::shared_ptr<arrow::Schema>> make_schema(const ns_result_field *fields,
                                                          size_t count) {
  if (count == 0) return arrow::Status::Invalid("a table without columns");
  arrow::FieldVector all;
  all.reserve(count);
  for (size_t index = 0; index < count; ++index) {
    std::string name(fields[index].name, fields[index].name_byte_count);
    auto type = data_type(fields[index].type);
    if (!type) {
      return arrow::Status::Invalid("column ", index, " has the unknown type ",
                                    fields[index].type);
    }
    all.push_back(arrow::field(std::move(name), std::move(type)));
  }
  return arrow::schema(std::move(all));
}

int type_code(const arrow::DataType &type) {
  switch (type.id()) {
    case arrow::Type::BOOL: return NS_RESULT_BOOLEAN;
    case arrow::Type::INT64: return NS_RESULT_INTEGER;
    case arrow::Type::DOUBLE: return NS_RESULT_NUMBER;
    case arrow::Type::FLOAT: return NS_RESULT_FLOAT;
    case arrow::Type::STRING: return NS_RESULT_TEXT;
    case arrow::Type::BINARY: return NS_RESULT_BINARY;
    case arrow::Type::DATE32: return NS_RESULT_DATE;
    case arrow::Type::TIMESTAMP: {
      auto unit = static_cast<const arrow::TimestampType &>(type).unit();
      return unit == arrow::TimeUnit::MICRO ? NS_RESULT_TIMESTAMP : -1;
    }
    default: return -1;
  }
}

}  // namespace ns::results
