#include "backend/cuda/gather/gather_kernels.h"

namespace halftone::cuda {

/// The i-th index, counted from the front, or -1 where it is outside.
DEVICE int64_t index_of(const GatherIndices& at, int64_t i) {
  int64_t index =
      at.wide ? static_cast<const int64_t*>(at.indices)[i] : static_cast<const int32_t*>(at.indices)[i];
  if (index < 0) index += at.size;
  return index >= 0 && index < at.size ? index : -1;
}

/// Where word `word` of the output comes from, in words; -1: nowhere.
DEVICE int64_t source_of(const GatherIndices& at, int64_t inner, int64_t word) {
  const int64_t slice = word / inner, index = index_of(at, slice % at.count);
  return index < 0 ? -1 : (slice / at.count * at.size + index) * inner + word % inner;
}

template <class T>
DEVICE void copy_words(const GatherCopyArgs& args, T missing) {
  const int64_t word = int64_t{block_x()} * block_threads() + thread();
  if (word >= args.outer * args.at.count * args.inner) return;
  const int64_t from = source_of(args.at, args.inner, word);
  static_cast<T*>(args.out)[word] = from < 0 ? missing : static_cast<const T*>(args.data)[from];
}

DEVICE_KERNEL(gather_copy_kernel, GatherCopyArgs) {
  switch (args.word_bytes) {
    case 16:
      return copy_words<Words4>(args, args.missing);
    case 8:
      return copy_words<Words2>(args, {args.missing.x, args.missing.y});
    case 4:
      return copy_words<uint32_t>(args, args.missing.x);
    case 2:
      return copy_words<uint16_t>(args, static_cast<uint16_t>(args.missing.x));
    default:
      return copy_words<uint8_t>(args, static_cast<uint8_t>(args.missing.x));
  }
}

DEVICE float stored_number(const void* at, Stored stored, int64_t i) {
  switch (stored) {
    case Stored::single_precision:
      return static_cast<const float*>(at)[i];
    case Stored::half_precision:
      return to_f32(static_cast<const f16*>(at)[i]);
    default:
      return to_f32(static_cast<const bf16*>(at)[i]);
  }
}

DEVICE_KERNEL(gather_floats_kernel, GatherFloatsArgs) {
  const int64_t i = int64_t{block_x()} * block_threads() + thread();
  if (i >= args.outer * args.at.count * args.inner) return;
  const int64_t from = source_of(args.at, args.inner, i);
  args.out[i] = from < 0 ? float_of(0x7fc00000u) : stored_number(args.data, args.stored, from);
}

/// `bits` bits (up to 8) of a little-endian bit stream.
DEVICE int code_at(const uint8_t* row, int bits, int64_t element) {
  const int64_t bit = element * bits;
  const int shift = static_cast<int>(bit % 8);
  int window = row[bit / 8];
  if (shift + bits > 8) window |= row[bit / 8 + 1] << 8;
  return (window >> shift) & ((1 << bits) - 1);
}

DEVICE_KERNEL(gather_codes_kernel, GatherCodesArgs) {
  const int64_t row = index_of(args.at, block_x());
  float* out = args.out + block_x() * args.columns;
  const uint8_t* codes = args.codes + row * args.row_bytes;
  const int64_t line = row % args.lines * args.groups;
  for (int64_t c = thread(); c < args.columns; c += block_threads()) {
    if (row < 0) {
      out[c] = float_of(0x7fc00000u);
      continue;
    }
    const int64_t group = line + c / args.group;
    const int code = code_at(codes, args.bits, c);
    const float level = args.levels ? args.levels[code] : static_cast<float>(code);
    const float zero = args.zeros ? static_cast<float>(args.zeros[group]) : args.zero;
    const float value = product(level - zero, stored_number(args.scales, args.stored, group));
    out[c] = args.minima ? value + stored_number(args.minima, args.stored, group) : value;
  }
}

}  // namespace halftone::cuda
