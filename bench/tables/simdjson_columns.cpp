// Parses flat JSON lines to columns with simdjson alone: what the library itself costs.
//
//   simdjson_columns FILE NAME:KIND,… RUNS FORM
//
// KIND is n (number, kept as double), t (text, copied) or b (boolean). FORM is `many`, simdjson's
// own stream of documents, or `lines`, one document for each line. The file is in memory before the
// clock starts. Prints one JSON object: rows, seconds and cpuSeconds of each run, sums, textBytes.

#include <simdjson.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace ondemand = simdjson::ondemand;

struct Column {
  std::string name;
  char kind;
  std::vector<double> numbers;
  std::string text;
  std::vector<size_t> ends;
};

static std::vector<Column> parse_columns(std::string_view list) {
  std::vector<Column> columns;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    const std::string_view one = list.substr(0, end);
    columns.push_back({std::string(one.substr(0, one.size() - 2)), one.back(), {}, {}, {}});
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return columns;
}

static void take(ondemand::object object, std::vector<Column> &columns) {
  for (Column &column : columns) {
    ondemand::value value = object.find_field(column.name);
    if (column.kind == 't') {
      if (!value.is_null()) column.text.append(value.get_string().value());
      column.ends.push_back(column.text.size());
    } else if (value.is_null()) {
      column.numbers.push_back(std::numeric_limits<double>::quiet_NaN());
    } else {
      column.numbers.push_back(
          column.kind == 'b' ? double(value.get_bool().value()) : value.get_double().value());
    }
  }
}

static size_t parse(const simdjson::padded_string &text, bool is_stream,
                    std::vector<Column> &columns) {
  for (Column &column : columns) {
    column.numbers.clear();
    column.text.clear();
    column.ends.clear();
  }
  ondemand::parser parser;
  size_t rows = 0;
  if (is_stream) {
    ondemand::document_stream documents;
    const auto error = parser.iterate_many(text, size_t(1) << 20).get(documents);
    if (error) throw simdjson::simdjson_error(error);
    for (auto document : documents) {
      take(document.get_object(), columns);
      rows += 1;
    }
    return rows;
  }
  const char *place = text.data(), *end = place + text.size();
  while (place < end) {
    const char *next = static_cast<const char *>(memchr(place, '\n', size_t(end - place)));
    if (next == nullptr) next = end;
    auto document = parser.iterate(place, size_t(next - place),
                                   size_t(end - place) + simdjson::SIMDJSON_PADDING);
    take(document.get_object(), columns);
    rows += 1;
    place = next + 1;
  }
  return rows;
}

int main(int count, char **arguments) {
  if (count != 5) return 64;
  std::vector<Column> columns = parse_columns(arguments[2]);
  const int runs = atoi(arguments[3]);
  const bool is_stream = strcmp(arguments[4], "many") == 0;
  std::vector<double> seconds, processor;
  size_t rows = 0, bytes = 0;
  try {
    const simdjson::padded_string text = simdjson::padded_string::load(arguments[1]);
    bytes = text.size();
    for (int run = 0; run < runs; run++) {
      const clock_t before = clock();
      const auto started = std::chrono::steady_clock::now();
      rows = parse(text, is_stream, columns);
      const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - started;
      seconds.push_back(passed.count());
      processor.push_back(double(clock() - before) / CLOCKS_PER_SEC);
    }
  } catch (const simdjson::simdjson_error &error) {
    fprintf(stderr, "Error: %s\n", error.what());
    return 1;
  }
  printf("{\"bytes\": %zu, \"rows\": %zu, \"kernel\": \"%s\"", bytes, rows,
         simdjson::get_active_implementation()->name().c_str());
  for (int list = 0; list < 2; list++) {
    printf(", \"%s\": [", list ? "cpuSeconds" : "seconds");
    for (int run = 0; run < runs; run++) {
      printf("%s%.6f", run ? ", " : "", list ? processor[run] : seconds[run]);
    }
    printf("]");
  }
  size_t text_bytes = 0;
  printf(", \"sums\": {");
  bool is_first = true;
  for (const Column &column : columns) {
    text_bytes += column.text.size();
    if (column.kind != 'n') continue;
    double sum = 0;
    for (double value : column.numbers) sum += std::isnan(value) ? 0 : value;
    printf("%s\"%s\": %.17g", is_first ? "" : ", ", column.name.c_str(), sum);
    is_first = false;
  }
  printf("}, \"textBytes\": %zu, \"version\": \"%d.%d.%d\"}\n", text_bytes,
         simdjson::SIMDJSON_VERSION_MAJOR, simdjson::SIMDJSON_VERSION_MINOR,
         simdjson::SIMDJSON_VERSION_REVISION);
  return 0;
}
