// How fields are put down without vectors; included once for each instruction set that has none.

// Puts down the fields that end at `stops`, which are bits from `base` on; the first begins after
// `previous`. Those that end at `quoted_stops` stand in quotes.
inline void put_fields(ns_csv_field *fields, uint64_t stops, uint64_t quoted_stops, uint32_t base,
                       uint32_t previous) {
  while (stops != 0) {
    const int place = __builtin_ctzll(stops);
    const uint32_t in_quotes = quoted_stops >> place & 1;
    const uint32_t stop = base + static_cast<uint32_t>(place);
    fields->start = previous + 1 + in_quotes;
    fields->length_and_flags = stop - previous - 1 + in_quotes * (NS_CSV_QUOTED - 2);
    fields++;
    previous = stop;
    stops &= stops - 1;
  }
}
