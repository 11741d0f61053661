// Fields as values of a type: what inference and typed outputs need.

#include "ns_csv.h"
#include "ns_numbers.h"

#include <cmath>
#include <cstring>

namespace {

struct Text {
  const uint8_t *at;
  const uint8_t *end;

  size_t count() const { return static_cast<size_t>(end - at); }

  bool skip(uint8_t byte) {
    if (at == end || *at != byte) return false;
    at++;
    return true;
  }

  // Exactly `count` digits, at most nine.
  bool digits(int count, int64_t *value) {
    if (end - at < count) return false;
    *value = 0;
    for (int i = 0; i < count; i++) {
      const uint8_t digit = static_cast<uint8_t>(at[i] - '0');
      if (digit > 9) return false;
      *value = *value * 10 + digit;
    }
    at += count;
    return true;
  }
};

Text trimmed(const uint8_t *window, ns_csv_field field) {
  Text text = {window + field.start, nullptr};
  text.end = text.at + (field.length_and_flags & NS_CSV_LENGTH_MASK);
  while (text.at < text.end && (*text.at == ' ' || *text.at == '\t')) text.at++;
  while (text.at < text.end && (text.end[-1] == ' ' || text.end[-1] == '\t')) text.end--;
  return text;
}

bool read_boolean(Text text, int64_t *value) {
  if (text.count() == 1 && (*text.at == '0' || *text.at == '1')) {
    *value = *text.at - '0';
    return true;
  }
  const char *word = text.count() == 4 ? "true" : "false";
  if (text.count() != 4 && text.count() != 5) return false;
  for (size_t i = 0; i < text.count(); i++) {
    if ((text.at[i] | 0x20) != static_cast<uint8_t>(word[i])) return false;
  }
  *value = text.count() == 4;
  return true;
}

// A sign and digits; the value has to be one of 64 bits.
bool read_integer(Text text, int64_t *value) {
  const bool is_negative = text.skip('-');
  if (!is_negative) text.skip('+');
  if (text.at == text.end) return false;
  while (text.end - text.at > 1 && *text.at == '0') text.at++;
  if (text.count() > 19) return false;
  uint64_t magnitude = 0;  // nineteen digits stay below 2^64
  for (; text.at < text.end; text.at++) {
    const uint8_t digit = static_cast<uint8_t>(*text.at - '0');
    if (digit > 9) return false;
    magnitude = magnitude * 10 + digit;
  }
  const uint64_t largest = uint64_t{1} << 63;
  if (magnitude > largest - !is_negative) return false;
  *value = static_cast<int64_t>(is_negative ? 0 - magnitude : magnitude);
  return true;
}

bool read_number(Text text, int64_t *bits) {
  double value;
  if (!ns_parse_double(text.at, text.end, &value)) return false;
  std::memcpy(bits, &value, 8);
  return true;
}

// Days from 1970-01-01 to a day of the proleptic Gregorian calendar, counted in years that begin
// in March, so that a leap day is the last of its year.
int64_t days(int64_t year, int64_t month, int64_t day) {
  const int64_t from_march = (month + 9) % 12;
  const int64_t y = year - (month < 3);
  const int64_t leap_days = y / 4 - y / 100 + y / 400;
  return 365 * y + leap_days + (153 * from_march + 2) / 5 + day - 719469;
}

// YYYY-MM-DD, from year 1 on; leaves what follows.
bool take_date(Text *text, int64_t *value) {
  int64_t year, month, day;
  if (!text->digits(4, &year) || !text->skip('-') || !text->digits(2, &month) ||
      !text->skip('-') || !text->digits(2, &day)) {
    return false;
  }
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const int64_t next = month == 12 ? days(year + 1, 1, 1) : days(year, month + 1, 1);
  *value = days(year, month, day);
  return *value < next;
}

bool read_date(Text text, int64_t *value) { return take_date(&text, value) && text.at == text.end; }

// Z, ±hh, ±hhmm, ±hh:mm or nothing, in seconds.
bool read_zone(Text text, int64_t *seconds) {
  *seconds = 0;
  if (text.at == text.end) return true;
  if (text.skip('Z') || text.skip('z')) return text.at == text.end;
  const bool is_west = text.skip('-');
  if (!is_west && !text.skip('+')) return false;
  int64_t hours, minutes = 0;
  if (!text.digits(2, &hours)) return false;
  if (text.skip(':') || text.at < text.end) {
    if (!text.digits(2, &minutes)) return false;
  }
  *seconds = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
  return text.at == text.end && hours < 24 && minutes < 60;
}

// A date, T or a space, hh:mm, perhaps seconds with a fraction, and a zone. Microseconds.
bool read_timestamp(Text text, int64_t *value) {
  int64_t day, hour, minute, second = 0, micros = 0, zone;
  if (!take_date(&text, &day)) return false;
  if (!text.skip('T') && !text.skip('t') && !text.skip(' ')) return false;
  if (!text.digits(2, &hour) || !text.skip(':') || !text.digits(2, &minute)) return false;
  if (text.skip(':')) {
    if (!text.digits(2, &second)) return false;
    if (text.skip('.') || text.skip(',')) {
      int64_t digit, unit = 100000;
      if (!text.digits(1, &digit)) return false;
      do {
        if (unit == 0 && digit != 0) return false;
        micros += digit * unit;
        unit /= 10;
      } while (text.digits(1, &digit));
    }
  }
  if (hour > 23 || minute > 59 || second > 59 || !read_zone(text, &zone)) return false;
  *value = ((day * 24 + hour) * 60 + minute) * 60000000 + (second - zone) * 1000000 + micros;
  return true;
}

bool read(ns_csv_type type, Text text, int64_t *value) {
  switch (type) {
    case ns_csv_boolean:
      return read_boolean(text, value);
    case ns_csv_integer:
      return read_integer(text, value);
    case ns_csv_number:
      return read_number(text, value);
    case ns_csv_date:
      return read_date(text, value);
    case ns_csv_timestamp:
      if (read_timestamp(text, value)) return true;
      if (!read_date(text, value)) return false;
      *value *= 86400000000;
      return true;
    case ns_csv_text:
      return true;
  }
  return false;
}

// The narrowest type that takes a text which is no null word.
ns_csv_type type_of(Text text) {
  int64_t value;
  if (read_integer(text, &value)) {
    // 007 is a name, not 7.
    const uint8_t *digits = text.at + (*text.at == '-' || *text.at == '+');
    return *digits == '0' && text.end - digits > 1 ? ns_csv_text : ns_csv_integer;
  }
  const ns_csv_type order[] = {ns_csv_number, ns_csv_boolean, ns_csv_date, ns_csv_timestamp};
  for (ns_csv_type type : order) {
    if (read(type, text, &value)) return type;
  }
  return ns_csv_text;
}

}  // namespace

uint32_t ns_csv_types(const uint8_t *window, const ns_csv_record *records, uint32_t count,
                      const ns_csv_field *fields, uint32_t column, const ns_csv_words *nulls) {
  uint32_t types = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (records[i].error != NS_CSV_OK) continue;
    const ns_csv_field field = fields[records[i].first_field + column];
    const Text text = trimmed(window, field);
    if (ns_csv_is_word(nulls, text.at, text.count())) continue;
    types |= text.at == text.end ? ns_csv_text : type_of(text);
  }
  return types;
}

uint32_t ns_csv_values(const uint8_t *window, const ns_csv_record *records, uint32_t count,
                       const ns_csv_field *fields, uint32_t column, ns_csv_type type,
                       const ns_csv_words *nulls, int64_t *values, uint64_t *missing,
                       uint64_t *failures) {
  uint32_t failure_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t bit = uint64_t{1} << (i % 64);
    values[i] = 0;
    if (records[i].error != NS_CSV_OK) {
      missing[i / 64] |= bit;
      continue;
    }
    const ns_csv_field field = fields[records[i].first_field + column];
    const Text text = trimmed(window, field);
    if (nulls == nullptr ? text.at == text.end && !(field.length_and_flags & NS_CSV_QUOTED)
                         : ns_csv_is_word(nulls, text.at, text.count())) {
      missing[i / 64] |= bit;
      continue;
    }
    if (read(type, text, values + i)) continue;
    values[i] = 0;
    missing[i / 64] |= bit;
    failures[i / 64] |= bit;
    failure_count++;
  }
  return failure_count;
}
