// The scanner of ns_csv.h over one instruction set's `find` function; included once for each.
//
// find(text, delimiter) answers 64 bits, one for each byte of text that is a delimiter, a line
// feed or a quote.

inline void end_field(ns_csv_scanner &s, int64_t position) {
  const int64_t stop = s.mode == kClosed ? s.field_stop : position;
  if (s.field_ordinal < s.expected_field_count) {
    ns_csv_field &field = s.fields[s.field_count + s.field_ordinal];
    field.start = static_cast<uint32_t>(s.field_start);
    field.length_and_flags = static_cast<uint32_t>(stop - s.field_start) | s.field_flags;
  }
  s.field_ordinal++;
  s.field_start = position + 1;
  s.field_flags = 0;
  s.mode = kUnquoted;
}

// Ends the record whose text ends at `stop`.
inline void end_record(ns_csv_scanner &s, const uint8_t *window, int64_t stop, bool at_line_feed) {
  const bool is_quoted = s.mode == kQuoted;
  int64_t text_stop = stop;
  if (at_line_feed && stop > s.text_start && window[stop - 1] == '\r') text_stop--;
  // An error in the only field has moved past the quote that opened it, so this is an empty line.
  const bool is_blank = s.field_ordinal == 0 && s.mode == kUnquoted &&
                        (stop == s.text_start ||
                         (stop == s.text_start + 1 && window[s.text_start] == '\r'));
  if (is_blank) return;
  end_field(s, s.mode == kUnquoted ? text_stop : stop);
  if (s.discards_record || s.text_start == s.skipped_text_start) return;
  ns_csv_record &record = s.records[s.record_count++];
  record.start = static_cast<uint32_t>(s.text_start);
  record.length = static_cast<uint32_t>(text_stop - s.text_start);
  record.first_field = s.field_count;
  record.field_count = s.field_ordinal;
  record.error = s.record_error;
  if (is_quoted) {
    record.error = NS_CSV_UNTERMINATED_QUOTE;
  } else if (record.error == NS_CSV_OK && s.field_ordinal != s.expected_field_count) {
    record.error = NS_CSV_FIELD_COUNT;
  }
  if (record.error == NS_CSV_OK) s.field_count += s.expected_field_count;
}

// Handles a quote inside a quoted field. Answers false when it takes more bytes to tell.
inline bool meet_quote(ns_csv_scanner &s, const uint8_t *window, int64_t position, int64_t end,
                       bool is_final) {
  const int64_t next = position + 1;
  if (next < end) {
    const uint8_t byte = window[next];
    if (byte == '"') {
      s.field_flags |= NS_CSV_ESCAPED;
      s.skipped_quote = next;
      return true;
    }
    bool is_closing = byte == s.delimiter || byte == '\n';
    if (byte == '\r') {
      if (next + 1 == end && !is_final) return false;
      is_closing = next + 1 < end && window[next + 1] == '\n';
    }
    if (is_closing) {
      s.mode = kClosed;
      s.field_stop = position;
    } else {
      s.mode = kUnquoted;
      if (s.record_error == NS_CSV_OK) s.record_error = NS_CSV_TEXT_AFTER_QUOTE;
    }
    return true;
  }
  if (!is_final) return false;
  s.mode = kClosed;
  s.field_stop = position;
  return true;
}

// Handles a line feed. Answers an event, or -1 to go on.
inline int meet_line_feed(ns_csv_scanner &s, const uint8_t *window, int64_t position) {
  const bool is_too_long = position - s.record_start > s.record_byte_limit;
  const bool ends_record = is_too_long || s.mode != kQuoted;
  bool ends_tile = false;
  bool at_bound = position >= s.next_bound;
  if (ends_record) {
    at_bound |= s.stops_after_record != 0;
    if (is_too_long) {
      ends_tile = true;
      ns_csv_end_too_long(&s, position);
    } else {
      end_record(s, window, position, true);
    }
    ns_csv_begin_record(&s, position + 1);
    if (s.record_count > 0) {
      ends_tile |= s.record_count == s.tile_record_limit ||
                   position + 1 - s.records[0].start > s.tile_byte_limit;
    }
  }
  if (at_bound) {
    s.event_position = position;
    s.event_ends_record = ends_record;
    return NS_CSV_BOUND;
  }
  if (ends_tile) return NS_CSV_TILE_END;
  const bool has_room = s.field_count + s.expected_field_count <= s.field_capacity;
  return ends_record && !has_room ? NS_CSV_GROW : -1;
}

inline int end_text(ns_csv_scanner &s, const uint8_t *window, int64_t end) {
  if (end - s.record_start > s.record_byte_limit) {
    ns_csv_end_too_long(&s, end);
  } else if (s.text_start < end) {
    end_record(s, window, end, false);
  }
  ns_csv_begin_record(&s, end);
  return NS_CSV_END;
}

int scan(ns_csv_scanner *scanner, const uint8_t *window, int64_t end, bool is_final) {
  ns_csv_scanner s = *scanner;  // a copy whose address stays here can live in registers
  int event = s.field_count + s.expected_field_count <= s.field_capacity ? -1 : NS_CSV_GROW;
  while (event < 0 && s.scan_position < end) {
    const int64_t base = s.scan_position;
    uint64_t marks = find(window + base, s.delimiter);
    if (end - base < 64) marks &= (uint64_t{1} << (end - base)) - 1;
    s.scan_position = end - base < 64 ? end : base + 64;
    while (marks != 0) {
      const int64_t position = base + __builtin_ctzll(marks);
      marks &= marks - 1;
      const uint8_t byte = window[position];
      if (byte == '\n') {
        event = meet_line_feed(s, window, position);
        if (event >= 0) {
          s.scan_position = position + 1;
          break;
        }
      } else if (byte != '"') {
        if (s.mode != kQuoted) end_field(s, position);
      } else if (s.mode != kQuoted) {
        if (position == s.field_start) {
          s.mode = kQuoted;
          s.field_start = position + 1;
          s.field_flags = NS_CSV_QUOTED;
        }
      } else if (position != s.skipped_quote) {
        if (!meet_quote(s, window, position, end, is_final)) {
          s.scan_position = position;
          event = NS_CSV_MORE;
          break;
        }
      }
    }
  }
  if (event < 0) event = is_final ? end_text(s, window, end) : NS_CSV_MORE;
  *scanner = s;
  return event;
}
