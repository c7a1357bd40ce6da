#pragma once

#include <cstddef>
#include <cstdint>

namespace halftone::cpu {

/// Codes of the 16 rows of a whole panel into its units (int_panels.h), where a row fills whole units: then
/// one word of four bytes of a row's bit stream becomes the row's lane of one unit. `rows`: the first row's
/// stream, the others `row_bytes` further each; `bits`: 2, 4 or 8, of a code.
void pack_words(const std::byte* rows, int64_t row_bytes, int64_t units, int bits, std::byte* to);

/// Elements of `size` bytes (1, 2 or 4), [16][count] -> [count][16].
void pack_elements(const std::byte* rows, int64_t count, int64_t size, std::byte* to);

}  // namespace halftone::cpu
