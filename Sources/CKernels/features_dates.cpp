#include "ns_features.h"

#include <cmath>
#include <limits>

// Dates: ISO 8601 to their parts and back to seconds.

#pragma STDC FP_CONTRACT OFF

namespace {

/// A text and how far it was read.
struct Reader {
  const uint8_t *at;
  const uint8_t *end;

  bool is_at(uint8_t byte) const { return at < end && *at == byte; }

  bool skip(uint8_t byte) {
    if (!is_at(byte)) return false;
    at++;
    return true;
  }

  /// Exactly `count` digits.
  bool digits(int count, int *value) {
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

struct Moment {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  double fraction = 0;
  int offset_seconds = 0;
};

bool is_leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int days_before(int year, int month) {
  static const int days[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
  return days[month - 1] + (month > 2 && is_leap(year) ? 1 : 0);
}

/// Days since 1970-01-01 of the year's first day, in the proleptic Gregorian calendar.
int64_t days_before_year(int year) {
  const int64_t y = year - 1;
  return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

bool read_date(Reader &reader, Moment &moment) {
  if (!reader.digits(4, &moment.year)) return false;
  const bool has_dashes = reader.skip('-');
  if (!reader.digits(2, &moment.month)) return false;
  if (has_dashes && !reader.skip('-')) return false;
  if (!reader.digits(2, &moment.day)) return false;
  if (moment.year < 1 || moment.month < 1 || moment.month > 12 || moment.day < 1) return false;
  const int next = moment.month == 12 ? 365 + is_leap(moment.year)
                                      : days_before(moment.year, moment.month + 1);
  return moment.day <= next - days_before(moment.year, moment.month);
}

bool read_offset(Reader &reader, Moment &moment) {
  if (reader.skip('Z') || reader.skip('z')) return true;
  const int sign = reader.is_at('-') ? -1 : 1;
  if (!reader.skip('+') && !reader.skip('-')) return true;
  int hours = 0, minutes = 0;
  if (!reader.digits(2, &hours)) return false;
  if (reader.skip(':') || reader.at < reader.end) {
    if (!reader.digits(2, &minutes)) return false;
  }
  moment.offset_seconds = sign * (hours * 3600 + minutes * 60);
  return hours < 24 && minutes < 60;
}

bool read_time(Reader &reader, Moment &moment) {
  if (!reader.digits(2, &moment.hour) || !reader.skip(':')) return false;
  if (!reader.digits(2, &moment.minute)) return false;
  if (reader.skip(':')) {
    if (!reader.digits(2, &moment.second)) return false;
    if (reader.skip('.') || reader.skip(',')) {
      int64_t value = 0, scale = 1;
      int digit = 0;
      if (!reader.digits(1, &digit)) return false;
      do {
        if (scale < 1000000000) {
          value = value * 10 + digit;
          scale *= 10;
        }
      } while (reader.digits(1, &digit));
      moment.fraction = static_cast<double>(value) / static_cast<double>(scale);
    }
  }
  if (moment.hour > 23 || moment.minute > 59 || moment.second > 59) return false;
  return read_offset(reader, moment);
}

void fill(const Moment &moment, double *parts) {
  const int day_of_year = days_before(moment.year, moment.month) + moment.day;
  const int64_t day = days_before_year(moment.year) + day_of_year - 1;
  const int64_t weekday = ((day + 3) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
  const int64_t seconds = day * 86400 + moment.hour * 3600 + moment.minute * 60 + moment.second -
                          moment.offset_seconds;
  parts[ns_date_year] = moment.year;
  parts[ns_date_month] = moment.month;
  parts[ns_date_day] = moment.day;
  parts[ns_date_weekday] = static_cast<double>(weekday);
  parts[ns_date_hour] = moment.hour;
  parts[ns_date_minute] = moment.minute;
  parts[ns_date_second] = moment.second + moment.fraction;
  parts[ns_date_day_of_year] = day_of_year;
  parts[ns_date_is_weekend] = weekday >= 5 ? 1 : 0;
  parts[ns_date_unix_seconds] = static_cast<double>(seconds) + moment.fraction;
}

void fill_missing(double *parts) {
  for (int part = 0; part < NS_DATE_PART_COUNT; part++) {
    parts[part] = std::numeric_limits<double>::quiet_NaN();
  }
}

/// The year that a day since 1970-01-01 is in; both are within the years 1 to 9999.
int year_of(int64_t day) {
  // 400 years have 146,097 days; the guess is at most one year off.
  int year = static_cast<int>((day + 719162) * 400 / 146097) + 1;
  while (days_before_year(year) > day) year--;
  while (days_before_year(year + 1) <= day) year++;
  return year;
}

}  // namespace

extern "C" int ns_date_read(const uint8_t *text, size_t count, double *parts) {
  Reader reader{text, text + count};
  while (reader.skip(' ')) {
  }
  while (reader.end > reader.at && reader.end[-1] == ' ') reader.end--;
  Moment moment;
  bool is_date = read_date(reader, moment);
  if (is_date && reader.at < reader.end) {
    is_date = (reader.skip('T') || reader.skip('t') || reader.skip(' ')) &&
              read_time(reader, moment) && reader.at == reader.end;
  }
  if (is_date) {
    fill(moment, parts);
  } else {
    fill_missing(parts);
  }
  return is_date ? 1 : 0;
}

extern "C" void ns_date_of_unix_seconds(double seconds, double *parts) {
  // From 0001-01-01 to before 10000-01-01; NaN fails the comparison too.
  if (!(seconds >= -62135596800.0 && seconds < 253402300800.0)) return fill_missing(parts);
  const double whole = std::floor(seconds);
  const int64_t total = static_cast<int64_t>(whole);
  const int64_t day = (total >= 0 ? total : total - 86399) / 86400;
  const int second_of_day = static_cast<int>(total - day * 86400);
  Moment moment;
  moment.year = year_of(day);
  const int day_of_year = static_cast<int>(day - days_before_year(moment.year));
  moment.month = 12;
  while (days_before(moment.year, moment.month) > day_of_year) moment.month--;
  moment.day = day_of_year - days_before(moment.year, moment.month) + 1;
  moment.hour = second_of_day / 3600;
  moment.minute = second_of_day / 60 % 60;
  moment.second = second_of_day % 60;
  moment.fraction = seconds - whole;
  fill(moment, parts);
}
