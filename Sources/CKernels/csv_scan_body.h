// The scanner of ns_csv.h over one instruction set's `find` function; included once for each.
//
// find(text, delimiter) answers which of 64 bytes are what; put_fields is that of csv_scan_put.h.
//
// Most blocks of 64 bytes are taken whole, by bits. What is not plain there (a quote inside an
// unquoted field, a record with too few fields, a bound) goes mark by mark, which is the rule.

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

// Bit i of the answer is the parity of bits 0 ... i.
inline uint64_t parity(uint64_t bits) {
  for (int distance = 1; distance < 64; distance *= 2) bits ^= bits << distance;
  return bits;
}

// The structure of a block that has quotes, or begins inside some.
struct Quotation {
  uint64_t stops;         // delimiters and line feeds outside quotes
  uint64_t quoted_stops;  // those of them that end a field in quotes
  uint64_t pairs;         // first quotes of two that stand for one
  bool ends_inside;
  bool is_plain;  // every quote opens a field, closes one or is one of a pair inside one
};

inline Quotation quotation(const ns_csv_scanner &s, const uint8_t *window, int64_t base,
                           const Marks &marks) {
  const uint64_t quotes = marks.quotes & ~static_cast<uint64_t>(s.skipped_quote == base);
  const uint64_t inside = parity(quotes) ^ (s.mode == kQuoted ? ~uint64_t{0} : 0);
  const uint64_t opening = quotes & inside;
  const uint64_t closing = quotes & ~inside;
  const uint64_t after = closing << 1;
  Quotation result;
  result.stops = (marks.delimiters | marks.line_feeds) & ~inside;
  const bool begins_field = s.mode == kUnquoted && s.field_start == base;
  const uint64_t field_starts = result.stops << 1 | static_cast<uint64_t>(begins_field);
  uint64_t returns = after & ~(result.stops | opening);
  bool is_plain = (opening & ~(field_starts | after)) == 0 && closing >> 63 == 0;
  if (is_plain && returns != 0) {
    is_plain = returns >> 63 == 0 && (returns << 1 & ~marks.line_feeds) == 0;
    for (uint64_t rest = returns; rest != 0; rest &= rest - 1) {
      is_plain &= window[base + __builtin_ctzll(rest)] == '\r';
    }
  }
  result.quoted_stops = result.stops & (after | returns << 1);
  result.pairs = closing & opening >> 1;
  result.ends_inside = inside >> 63 != 0;
  result.is_plain = is_plain;
  return result;
}

// Puts down the records that end with the line feeds at `ends`; their fields are there already.
//
// Answers which line feeds could not be dealt with: all from the first record on that is not as
// it should be, and those after an event.
inline uint64_t end_records(ns_csv_scanner &s, const uint8_t *window, int64_t base, uint64_t stops,
                            uint64_t ends, int *event) {
  uint32_t ordinal = s.field_ordinal;
  while (ends != 0) {
    const uint64_t through = ends ^ (ends - 1);
    const int64_t position = base + __builtin_ctzll(ends);
    ordinal += static_cast<uint32_t>(__builtin_popcountll(stops & through));
    // One byte may be a blank line.
    if (ordinal != s.expected_field_count || position - s.text_start <= 1) return ends;
    const uint32_t is_return = window[position - 1] == '\r';
    s.field_count += ordinal;
    s.fields[s.field_count - 1].length_and_flags -= is_return;
    ns_csv_record &record = s.records[s.record_count++];
    record.start = static_cast<uint32_t>(s.text_start);
    record.length = static_cast<uint32_t>(position - s.text_start) - is_return;
    record.first_field = s.field_count - ordinal;
    record.field_count = ordinal;
    record.error = NS_CSV_OK;
    ns_csv_begin_record(&s, position + 1);
    ends &= ends - 1;
    stops &= ~through;
    ordinal = 0;
    const bool ends_tile = s.record_count == s.tile_record_limit ||
                           position + 1 - s.records[0].start > s.tile_byte_limit;
    if (ends_tile) {
      *event = NS_CSV_TILE_END;
    } else if (s.field_count + s.expected_field_count > s.field_capacity) {
      *event = NS_CSV_GROW;
    }
    if (*event >= 0) {
      s.scan_position = position + 1;
      return ends;
    }
  }
  return 0;
}

// Deals with a block of 64 bytes at once where it can, and answers which marks are left.
inline uint64_t take_block(ns_csv_scanner &s, const uint8_t *window, int64_t base,
                           const Marks &marks, int *event) {
  const uint64_t all = marks.delimiters | marks.line_feeds | marks.quotes;
  const int64_t last = base + 63;
  if (s.mode == kClosed || last >= s.next_bound || last - s.record_start > s.record_byte_limit) {
    return all;
  }
  Quotation block = {marks.delimiters | marks.line_feeds, 0, 0, false, true};
  const bool begins_inside = s.mode == kQuoted;
  if (marks.quotes != 0 || begins_inside) block = quotation(s, window, base, marks);
  const uint64_t ends = block.stops & marks.line_feeds;
  const bool is_special =
      s.discards_record || s.stops_after_record || s.record_error != NS_CSV_OK ||
      s.text_start == s.skipped_text_start ||
      static_cast<uint64_t>(s.skipped_text_start) - static_cast<uint64_t>(base) <= 64;
  if (!block.is_plain || (ends != 0 && is_special)) return all;
  const uint32_t count = static_cast<uint32_t>(__builtin_popcountll(block.stops));
  if (ends == 0 && s.field_ordinal + count > s.expected_field_count) return all;

  // A field in quotes was said to begin after its quote.
  const uint32_t previous = static_cast<uint32_t>(s.field_start) - 1 - begins_inside;
  ns_csv_field *fields = s.fields + s.field_count + s.field_ordinal;
  if (s.field_ordinal > s.expected_field_count) return all;
  put_fields(fields, block.stops, block.quoted_stops, static_cast<uint32_t>(base), previous);
  uint32_t flags = begins_inside ? s.field_flags & NS_CSV_ESCAPED : 0;
  if (flags != 0 && count > 0) {
    fields[0].length_and_flags |= flags;
    flags = 0;
  }
  for (uint64_t pairs = block.pairs; pairs != 0; pairs &= pairs - 1) {
    const uint64_t before = block.stops & ((pairs & -pairs) - 1);
    const uint32_t index = static_cast<uint32_t>(__builtin_popcountll(before));
    if (index < count) {
      fields[index].length_and_flags |= NS_CSV_ESCAPED;
    } else {
      flags |= NS_CSV_ESCAPED;
    }
  }

  const uint64_t ends_left = end_records(s, window, base, block.stops, ends, event);
  if (*event >= 0) return 0;
  // What comes after the last record that was as it should be.
  const uint64_t done = ends & ~ends_left;
  const uint64_t after = done == 0 ? ~uint64_t{0} : ~(~uint64_t{0} >> __builtin_clzll(done));
  if (ends_left != 0) return all & after;
  const uint64_t rest = block.stops & after;
  const uint32_t rest_count = static_cast<uint32_t>(__builtin_popcountll(rest));
  if (done != 0 && rest_count > s.expected_field_count) return all & after;
  s.field_ordinal += rest_count;
  if (rest != 0) s.field_start = base + 64 - __builtin_clzll(rest);
  if (block.ends_inside) {
    s.field_start += !begins_inside || block.stops != 0;
    s.field_flags = NS_CSV_QUOTED | flags;
  } else {
    s.field_flags = 0;
  }
  s.mode = block.ends_inside ? kQuoted : kUnquoted;
  return 0;
}

// Takes blocks for as long as there is nothing in them but fields without quotes and the end of
// at most one record that is as it should be. What that asks for stays in registers; whatever
// else comes is left to take_block, with the scanner as if nothing had been there.
inline void take_plain_blocks(ns_csv_scanner &s, const uint8_t *window, int64_t end) {
  if (s.mode != kUnquoted || s.record_error != NS_CSV_OK || s.discards_record ||
      s.stops_after_record || s.record_start != s.text_start ||
      s.text_start == s.skipped_text_start || s.field_ordinal > s.expected_field_count) {
    return;
  }
  int64_t base = s.scan_position;
  int64_t limit = end < s.next_bound ? end : s.next_bound;
  if (s.skipped_text_start >= base && s.skipped_text_start < limit) limit = s.skipped_text_start;
  int64_t start = s.text_start;
  const int64_t tile_start = s.record_count > 0 ? s.records[0].start : start;
  const int64_t tile_limit = tile_start + s.tile_byte_limit;
  const uint32_t expected = s.expected_field_count;
  const uint32_t last_record = s.tile_record_limit - 1;
  uint32_t record_count = s.record_count, field_count = s.field_count, ordinal = s.field_ordinal;
  int64_t field_start = s.field_start;
  uint64_t non_ascii = 0;
  for (; base + 64 <= limit && base + 63 - start <= s.record_byte_limit; base += 64) {
    const Marks marks = find(window + base, s.delimiter);
    const uint64_t stops = marks.delimiters | marks.line_feeds;
    const uint64_t ends = marks.line_feeds;
    const uint32_t count = static_cast<uint32_t>(__builtin_popcountll(stops));
    const uint32_t previous = static_cast<uint32_t>(field_start) - 1;
    ns_csv_field *fields = s.fields + field_count + ordinal;
    if (marks.quotes != 0) break;
    if (ends == 0) {
      if (ordinal + count > expected) break;
      put_fields(fields, stops, 0, static_cast<uint32_t>(base), previous);
      ordinal += count;
    } else {
      const uint64_t through = ends ^ (ends - 1);
      const uint32_t inside = static_cast<uint32_t>(__builtin_popcountll(stops & through));
      const int64_t position = base + __builtin_ctzll(ends);
      if ((ends & ~through) != 0 || ordinal + inside != expected || count - inside > expected ||
          position - start <= 1 || record_count >= last_record || position >= tile_limit ||
          field_count + 2 * expected > s.field_capacity) {
        break;
      }
      put_fields(fields, stops, 0, static_cast<uint32_t>(base), previous);
      const uint32_t is_return = window[position - 1] == '\r';
      fields[inside - 1].length_and_flags -= is_return;
      ns_csv_record &record = s.records[record_count++];
      record.start = static_cast<uint32_t>(start);
      record.length = static_cast<uint32_t>(position - start) - is_return;
      record.first_field = field_count;
      record.field_count = expected;
      record.error = NS_CSV_OK;
      field_count += expected;
      ordinal = count - inside;
      start = position + 1;
    }
    if (stops != 0) field_start = base + 64 - __builtin_clzll(stops);
    non_ascii |= marks.non_ascii;
  }
  if (base == s.scan_position) return;
  s.scan_position = base;
  s.record_start = start;
  s.text_start = start;
  s.field_start = field_start;
  s.field_ordinal = ordinal;
  s.field_flags = 0;
  s.skipped_quote = -1;
  s.record_count = record_count;
  s.field_count = field_count;
  s.non_ascii |= non_ascii;
}

int scan(ns_csv_scanner *scanner, const uint8_t *window, int64_t end, bool is_final) {
  ns_csv_scanner s = *scanner;  // a copy whose address stays here can live in registers
  int event = s.field_count + s.expected_field_count <= s.field_capacity ? -1 : NS_CSV_GROW;
  bool is_plain = true;
  while (event < 0 && s.scan_position < end) {
    if (is_plain) {
      take_plain_blocks(s, window, end);
      if (s.scan_position == end) break;
    }
    const int64_t base = s.scan_position;
    const Marks found = find(window + base, s.delimiter);
    // Text that is not plain stays so for a while.
    is_plain = found.quotes == 0 && (found.line_feeds & (found.line_feeds - 1)) == 0;
    uint64_t marks;
    if (end - base >= 64) {
      s.scan_position = base + 64;
      s.non_ascii |= found.non_ascii;
      marks = take_block(s, window, base, found, &event);
    } else {
      const uint64_t there = (uint64_t{1} << (end - base)) - 1;
      s.scan_position = end;
      s.non_ascii |= found.non_ascii & there;
      marks = (found.delimiters | found.line_feeds | found.quotes) & there;
    }
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
