#include "backend/cuda/conv/picture_codes_kernels.h"
#include "backend/cuda/gemm/dynamic_scale.h"

namespace halftone::cuda {
namespace {

/// Calls with each element of this thread's, counted in its picture.
template <class Visit>
DEVICE void each_of_part(const PictureCodesArgs& args, Visit visit) {
  const int64_t begin = int64_t{block_x()} * args.part;
  const int64_t end = begin + args.part < args.elements ? begin + args.part : args.elements;
  for (int64_t i = begin + thread(); i < end; i += block_threads()) visit(i);
}

}  // namespace

DEVICE_KERNEL(picture_magnitudes, PictureCodesArgs) {
  const float* x = args.x + block_y() * args.elements;
  int largest = 0;
  each_of_part(args, [&](int64_t i) {
    const int bits = magnitude_bits(x[i]);
    largest = bits > largest ? bits : largest;
  });
  largest = block_max(largest, shared_memory<int>(0));
  if (thread() == 0) args.largest[block_y() * args.parts + block_x()] = largest;
}

DEVICE_KERNEL(picture_codes, PictureCodesArgs) {
  const int64_t first = block_y() * args.elements;
  int largest = 0;
  for (int i = thread(); i < args.parts; i += block_threads()) {
    const int bits = args.largest[block_y() * args.parts + i];
    largest = bits > largest ? bits : largest;
  }
  const DynamicScale scale = dynamic_scale(block_max(largest, shared_memory<int>(0)));
  if (thread() == 0 && block_x() == 0) args.scales[block_y()] = scale.scale;
  each_of_part(args, [&](int64_t i) {
    args.codes[first + i] = static_cast<uint8_t>(dynamic_code(args.x[first + i], scale) + 128);
  });
}

}  // namespace halftone::cuda
