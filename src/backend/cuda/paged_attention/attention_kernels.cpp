#include "backend/cuda/paged_attention/attention_kernels.h"

namespace halftone::cuda {
namespace {

template <class Args>
struct ByDim {
  const DeviceKernel<Args>*dim_64, *dim_128, *dim_256;

  const DeviceKernel<Args>* at(int padded) const {
    return padded == 64 ? dim_64 : padded == 128 ? dim_128 : dim_256;
  }
};

AttentionKernels choose(const DeviceKernel<KvStoreArgs>& store, const DeviceKernel<AttentionView>& plain,
                        const ByDim<AttentionDecodeArgs>& decode, const ByDim<AttentionPrefillArgs>& prefill,
                        int dim, int multiple) {
  const int padded = dim <= 64 ? 64 : dim <= 128 ? 128 : 256;
  const bool fits = dim <= 256 && dim % 8 == 0;
  return {&store,
          &plain,
          fits && dim % multiple == 0 ? decode.at(padded) : nullptr,
          fits && dim % multiple == 0 ? prefill.at(padded) : nullptr,
          padded,
          multiple == 16 ? 1 : 2};
}

}  // namespace

AttentionKernels attention_kernels(KvFormat format, int dim) {
  switch (format) {
    case KvFormat::f32:
      return {&kv_store_f32, &attention_plain_f32, nullptr, nullptr, 0, 4};
    case KvFormat::f16:
      return choose(kv_store_f16, attention_plain_f16,
                    {&attention_decode_f16_64, &attention_decode_f16_128, &attention_decode_f16_256},
                    {&attention_prefill_f16_64, &attention_prefill_f16_128, &attention_prefill_f16_256}, dim,
                    8);
    case KvFormat::bf16:
      return choose(kv_store_bf16, attention_plain_bf16,
                    {&attention_decode_bf16_64, &attention_decode_bf16_128, &attention_decode_bf16_256},
                    {&attention_prefill_bf16_64, &attention_prefill_bf16_128, &attention_prefill_bf16_256},
                    dim, 8);
    case KvFormat::int8:
      return choose(kv_store_int8, attention_plain_int8,
                    {&attention_decode_int8_64, &attention_decode_int8_128, &attention_decode_int8_256},
                    {&attention_prefill_int8_64, &attention_prefill_int8_128, &attention_prefill_int8_256},
                    dim, 16);
    default:
      throw UnsupportedError("CUDA: keys and values in {}; f16, bf16, int8 and f32 are there",
                             kv_format_name(format));
  }
}

}  // namespace halftone::cuda
