// The reader of ns_json_lines.h over one instruction set's functions; included once for each.
//
//   kStringStep, string_marks(text): which of so many bytes end a run of plain string text
//   number_marks(text): see NumberMarks
//   has_token(text, step): whether the step's token stands there
//
// Every walk stops at the line feed that ends the line, because no token, value or escape goes on
// past one; what is loaded beyond is ignored. Positions are never past that line feed, also where
// a line is wrong.

// The closing quote of the string whose text begins at `at`, or nullptr. `*flags` gets
// NS_CSV_JSON_ESCAPED where there are backslashes.
inline const uint8_t *end_of_string(const uint8_t *at, uint32_t *flags) {
  for (;;) {
    const uint64_t marks = string_marks(at);
    if (marks == 0) {
      at += kStringStep;
      continue;
    }
    at += __builtin_ctzll(marks);
    if (*at == '"') return at;
    if (*at != '\\') return nullptr;
    *flags |= NS_CSV_JSON_ESCAPED;
    at = end_of_escape(at);
    if (at == nullptr) return nullptr;
  }
}

// The end of a value that is no object or array, or nullptr.
inline const uint8_t *end_of_scalar(const uint8_t *at) {
  if (*at == '"') {
    uint32_t flags = 0;
    const uint8_t *quote = end_of_string(at + 1, &flags);
    return quote == nullptr ? nullptr : quote + 1;
  }
  return *at == '-' || is_digit(*at) ? end_of_number(at) : end_of_word(at);
}

// The value after a member's name, from the quote that opens it; nullptr where that is wrong.
inline const uint8_t *skip_name(const uint8_t *at) {
  if (*at != '"') return nullptr;
  uint32_t flags = 0;
  at = end_of_string(at + 1, &flags);
  if (at == nullptr) return nullptr;
  at = skip_spaces(at + 1);
  return *at == ':' ? skip_spaces(at + 1) : nullptr;
}

// The end of the object or array that begins at `at`, or nullptr. `depth_limit` is at most
// NS_JSON_DEPTH_LIMIT.
__attribute__((noinline)) const uint8_t *end_of_nested(const uint8_t *at, unsigned depth_limit) {
  uint64_t objects[NS_JSON_DEPTH_LIMIT / 64] = {};  // bit d: what is open at depth d is an object
  unsigned depth = 0;
  for (;;) {
    // A value begins at `at`.
    if (*at == '{' || *at == '[') {
      const uint64_t is_object = *at == '{';
      if (depth == depth_limit) return nullptr;
      uint64_t &word = objects[depth / 64];
      word = (word & ~(uint64_t{1} << (depth % 64))) | is_object << (depth % 64);
      depth++;
      at = skip_spaces(at + 1);
      if (*at != (is_object ? '}' : ']')) {
        if (is_object) at = skip_name(at);
        if (at == nullptr) return nullptr;
        continue;
      }
      at++;
      depth--;
    } else {
      at = end_of_scalar(at);
      if (at == nullptr) return nullptr;
    }
    // A value has ended before `at`.
    for (;;) {
      if (depth == 0) return at;
      at = skip_spaces(at);
      const uint64_t is_object = objects[(depth - 1) / 64] >> ((depth - 1) % 64) & 1;
      if (*at == ',') {
        at = skip_spaces(at + 1);
        if (is_object) at = skip_name(at);
        if (at == nullptr) return nullptr;
        break;
      }
      if (*at != (is_object ? '}' : ']')) return nullptr;
      at++;
      depth--;
    }
  }
}

// Reads a value that is no short plain string or number. Spaces may stand before it, because
// a step's token can be followed by more of them than when it was learnt.
__attribute__((noinline)) const uint8_t *read_rarely(const uint8_t *at, const uint8_t *window,
                                                     ns_csv_field *field) {
  at = skip_spaces(at);
  const uint8_t *start = at;
  const uint8_t *stop;
  const uint8_t *next;
  uint32_t flags = 0;
  if (*at == '"') {
    flags = NS_CSV_QUOTED;
    start++;
    stop = end_of_string(start, &flags);
    if (stop == nullptr) return nullptr;
    next = stop + 1;
  } else {
    const bool is_nested = *at == '{' || *at == '[';
    next = is_nested ? end_of_nested(at, NS_JSON_DEPTH_LIMIT - 1) : end_of_scalar(at);
    if (next == nullptr) return nullptr;
    stop = *at == 'n' ? start : next;
  }
  field->start = static_cast<uint32_t>(start - window);
  field->length_and_flags = static_cast<uint32_t>(stop - start) | flags;
  return next;
}

// Reads the value that begins at `at` if it is a string without escapes or a number without
// exponent, both short. Answers its end, or nullptr where it is something else.
__attribute__((always_inline)) inline const uint8_t *read_plain(const uint8_t *at,
                                                                const uint8_t *window,
                                                                ns_csv_field *field) {
  if (*at == '"') {
    const uint64_t marks = string_marks(at + 1);
    const unsigned length = static_cast<unsigned>(__builtin_ctzll(marks | uint64_t{1} << 63));
    field->start = static_cast<uint32_t>(at + 1 - window);
    field->length_and_flags = length | NS_CSV_QUOTED;
    if (__builtin_expect(at[1 + length] != '"' || length >= kStringStep, 0)) return nullptr;
    return at + length + 2;
  }
  const NumberMarks marks = number_marks(at);
  const unsigned length = static_cast<unsigned>(__builtin_ctzll(marks.others | uint64_t{1} << 32));
  const uint32_t is_negative = *at == '-';
  const uint32_t run = static_cast<uint32_t>(~(~uint64_t{0} << length));
  const uint32_t first = uint32_t{1} << is_negative;
  const uint32_t inside = run & ~marks.digits & ~is_negative;  // at most the point, if it is right
  const uint32_t after_zero = at[is_negative] == '0' ? first << 1 : 0;
  // A number's first byte is a digit; a digit follows a zero only after a point, and every point.
  const uint32_t wrong = (first & ~marks.digits) | (after_zero & marks.digits) |
                         (inside << 1 & ~marks.digits) | (inside & (inside - 1)) |
                         (inside & ~marks.points) | (length >> 5);
  field->start = static_cast<uint32_t>(at - window);
  field->length_and_flags = length;
  return __builtin_expect(wrong != 0, 0) ? nullptr : at + length;
}

// Reads the value that begins at `at`. Answers its end, or nullptr.
__attribute__((always_inline)) inline const uint8_t *read_value(const uint8_t *at,
                                                                const uint8_t *window,
                                                                ns_csv_field *field) {
  const uint8_t *stop = read_plain(at, window, field);
  return __builtin_expect(stop == nullptr, 0) ? read_rarely(at, window, field) : stop;
}

// Finds the step that begins at `at` after the step `before`, and learns it. Answers kNone where
// the text is wrong.
__attribute__((noinline)) uint32_t find_step(ns_json_keys *keys, uint32_t before,
                                             const uint8_t **position, uint32_t *column) {
  const uint8_t *begin = *position;
  const uint8_t *at = begin;
  if (before == kBegin) {
    at = skip_spaces(at + 1);  // past the brace
  } else {
    at = skip_spaces(at);
    if (*at == ',') {
      at = skip_spaces(at + 1);
      if (*at == '}') return kNone;
    } else if (*at != '}') {
      return kNone;
    }
  }
  if (*at == '}') {
    *position = at + 1;
    keys->learn(before, kEnd, begin, static_cast<size_t>(at + 1 - begin));
    return kEnd;
  }
  if (*at != '"') return kNone;
  uint32_t flags = 0;
  const uint8_t *name = at + 1;
  at = end_of_string(name, &flags);
  if (at == nullptr) return kNone;
  size_t length = static_cast<size_t>(at - name);
  at = skip_spaces(at + 1);
  if (*at != ':') return kNone;
  at = skip_spaces(at + 1);
  *position = at;
  if (flags != 0 && length <= 6 * size_t{keys->longest_name}) {
    length = ns_json_unescape(name, length, keys->scratch);
    name = keys->scratch;
  }
  const uint32_t step = keys->step(name, length, before == kBegin, column);
  keys->learn(before, step, begin, static_cast<size_t>(at - begin));
  return step;
}

// Reads an object into `fields`, which has one entry more than columns, from the step after
// `before` on. Answers its end, or nullptr.
inline const uint8_t *read_object(ns_json_keys *keys, uint32_t before, const uint8_t *at,
                                  const uint8_t *window, ns_csv_field *fields) {
  const Step *steps = keys->steps;
  for (;;) {
    uint32_t step = steps[before].next;
    uint32_t column = steps[step].column;
    if (__builtin_expect(has_token(at, steps[step]), 1)) {
      at += steps[step].length;
    } else {
      step = steps[before].before_next;
      column = steps[step].column;
      if (has_token(at, steps[step])) {
        at += steps[step].length;
        keys->steps[before].before_next = steps[before].next;
        keys->steps[before].next = step;
      } else {
        step = find_step(keys, before, &at, &column);
        if (step == kNone) return nullptr;
      }
    }
    if (step == kEnd) return at;
    at = read_value(at, window, fields + column);
    if (__builtin_expect(at == nullptr, 0)) return nullptr;
    before = step;
  }
}

// Reads two objects side by side as long as both have the steps that are likely, so that the CPU
// waits for neither alone. The fields of the second are `stride` after those of the first. Answers
// the step that both have passed; at[i] is behind its value.
inline uint32_t read_alike(const ns_json_keys *keys, const uint8_t *(&at)[kLaneCount],
                           const uint8_t *window, ns_csv_field *fields, uint32_t stride) {
  const Step *steps = keys->steps;
  const uint8_t *first = at[0], *second = at[1];
  uint32_t before = kBegin;
  for (;;) {
    const uint32_t next = steps[before].next;
    const Step &step = steps[next];
    if (__builtin_expect(!(has_token(first, step) && has_token(second, step)), 0)) break;
    ns_csv_field *field = fields + step.column;
    const uint8_t *first_stop = first + step.length, *second_stop = second + step.length;
    if (next != kEnd) {
      first_stop = read_value(first_stop, window, field);
      if (__builtin_expect(first_stop == nullptr, 0)) break;
      second_stop = read_value(second_stop, window, field + stride);
      if (__builtin_expect(second_stop == nullptr, 0)) break;
    }
    first = first_stop;
    second = second_stop;
    before = next;
    if (next == kEnd) break;
  }
  at[0] = first;
  at[1] = second;
  return before;
}

// Reads the array that begins at `at` into `fields`, value by value. `*count` gets their number.
__attribute__((noinline)) const uint8_t *read_array(const uint8_t *at, const uint8_t *window,
                                                    ns_csv_field *fields, uint32_t column_count,
                                                    uint32_t *count) {
  *count = 0;
  at = skip_spaces(at + 1);
  if (*at == ']') return at + 1;
  for (;;) {
    at = read_value(at, window, fields + (*count < column_count ? *count : column_count));
    if (at == nullptr) return nullptr;
    ++*count;
    at = skip_spaces(at);
    if (*at == ']') return at + 1;
    if (*at != ',') return nullptr;
    at = skip_spaces(at + 1);
  }
}

// Reads the line at `begin`. Answers where it stopped, which is the line feed unless something is
// wrong; `record` gets the error and field count, a blank line the field count kNone.
inline const uint8_t *read_line(const ns_json_scanner &s, ns_json_keys *keys,
                                const uint8_t *window, const uint8_t *begin,
                                ns_csv_record *record) {
  ns_csv_field *fields = s.fields + record->first_field;
  const uint8_t *at = begin;
  if (*at != '{') at = skip_spaces(at);
  const uint8_t *stop;
  if (__builtin_expect(*at == '{', 1)) {
    stop = read_object(keys, kBegin, at, window, fields);
  } else if (*at == '\n') {
    record->field_count = kNone;
    return at;
  } else if (*at == '[' && s.accepts_arrays) {
    stop = read_array(at, window, fields, s.column_count, &record->field_count);
    if (record->field_count != s.column_count) record->error = NS_CSV_FIELD_COUNT;
  } else {
    record->error = NS_JSON_NOT_AN_OBJECT;
    stop = *at == '[' ? end_of_nested(at, NS_JSON_DEPTH_LIMIT) : end_of_scalar(at);
  }
  return stop;
}

// Puts the line that ends at `line_feed` into the tile. Answers an event, or -1 to go on.
inline int end_line(ns_json_scanner &s, const uint8_t *window, const uint8_t *stop,
                    const uint8_t *line_feed, ns_csv_record record) {
  if (stop != nullptr && stop != line_feed) stop = skip_spaces(stop);
  if (__builtin_expect(stop != line_feed, 0)) {
    record.error = NS_JSON_INVALID;
    record.field_count = s.column_count;
  }
  s.line_feed = line_feed - window;
  int64_t length = s.line_feed - s.position;
  bool ends_tile = false;
  if (__builtin_expect(length > s.record_byte_limit, 0)) {
    record.error = NS_CSV_RECORD_TOO_LONG;
    record.field_count = 0;
    if (length > NS_CSV_EXCERPT_LIMIT) length = NS_CSV_EXCERPT_LIMIT;
    ends_tile = true;
  } else if (length > 0 && line_feed[-1] == '\r') {
    length--;
  }
  if (record.field_count != kNone) {
    record.start = static_cast<uint32_t>(s.position);
    record.length = static_cast<uint32_t>(length);
    s.records[s.record_count++] = record;
    if (record.error == NS_CSV_OK) s.field_count = record.first_field + s.column_count + 1;
  }
  s.position = s.line_feed + 1;
  if (s.line_feed >= s.next_bound) return NS_JSON_BOUND;
  if (ends_tile || (s.record_count > 0 &&
                    (s.record_count == s.record_limit ||
                     s.position - int64_t{s.records[0].start} > s.tile_byte_limit))) {
    return NS_JSON_TILE_END;
  }
  return s.field_count + s.column_count < s.field_capacity ? -1 : NS_JSON_GROW;
}

inline const uint8_t *find_line_feed(const uint8_t *from, const uint8_t *end) {
  return static_cast<const uint8_t *>(std::memchr(from, '\n', static_cast<size_t>(end - from)));
}

inline ns_csv_record begin_record(const ns_json_scanner &s, uint32_t first_field,
                                  uint32_t position) {
  ns_csv_field *fields = s.fields + first_field;
  for (uint32_t i = 0; i < s.column_count; i++) fields[i] = ns_csv_field{position, 0};
  return ns_csv_record{position, 0, first_field, s.column_count, NS_CSV_OK};
}

// Reads the next kLaneCount lines if all are there. Answers an event, -1 to go on, -2 where they
// are not.
inline int scan_lanes(ns_json_scanner &s, ns_json_keys *keys, const uint8_t *window,
                      const uint8_t *end) {
  const uint32_t stride = s.column_count + 1;
  if (keys->lanes_pause > 0) {
    keys->lanes_pause--;
    return -2;
  }
  if (s.field_capacity - s.field_count < kLaneCount * uint64_t{stride}) return -2;
  const uint8_t *at[kLaneCount];
  const uint8_t *line_feeds[kLaneCount];
  ns_csv_record records[kLaneCount];
  const uint8_t *begin = window + s.position;
  for (int i = 0; i < kLaneCount; i++) {
    if (begin == end || *begin != '{') return -2;
    at[i] = begin;
    line_feeds[i] = find_line_feed(begin, end);
    records[i] = begin_record(s, s.field_count + static_cast<uint32_t>(i) * stride,
                              static_cast<uint32_t>(begin - window));
    begin = line_feeds[i] + 1;
  }
  const uint32_t before = read_alike(keys, at, window, s.fields + s.field_count, stride);
  if (before != kEnd) keys->lanes_pause = kLanesPause;
  int event = -1;
  for (int i = 0; event == -1 && i < kLaneCount; i++) {
    const uint8_t *stop = at[i];
    if (before != kEnd) {
      stop = read_object(keys, before, at[i], window, s.fields + records[i].first_field);
    }
    event = end_line(s, window, stop, line_feeds[i], records[i]);
  }
  return event;
}

int scan(ns_json_scanner *scanner, ns_json_keys *keys, const uint8_t *window, int64_t end) {
  ns_json_scanner s = *scanner;
  int event = s.field_count + s.column_count < s.field_capacity ? -1 : NS_JSON_GROW;
  while (event < 0 && s.position < end) {
    event = scan_lanes(s, keys, window, window + end);
    if (event != -2) continue;
    const uint8_t *begin = window + s.position;
    ns_csv_record record = begin_record(s, s.field_count, static_cast<uint32_t>(s.position));
    const uint8_t *stop = read_line(s, keys, window, begin, &record);
    const bool is_ended = stop != nullptr && *stop == '\n';
    event = end_line(s, window, stop, is_ended ? stop : find_line_feed(begin, window + end), record);
  }
  *scanner = s;
  return event < 0 ? NS_JSON_MORE : event;
}
