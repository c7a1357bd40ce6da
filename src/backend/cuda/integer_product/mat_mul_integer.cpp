#include "backend/cuda/cuda.h"
#include "backend/cuda/integer_product/mat_mul_integer_kernels.h"
#include "backend/kernel.h"

namespace halftone::cuda {
namespace {

enum Input : size_t { kA, kB, kAZero, kBZero };

class MatMulInteger final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    const Shape &a = run.site.input_shape(kA), &b = run.site.input_shape(kB);
    const auto zero = [&](size_t i) {
      return run.site.has_input(i) ? pointer<void>(run.inputs[i]) : nullptr;
    };
    MatMulIntegerArgs args{};
    args.a = pointer<void>(run.inputs[kA]);
    args.b = pointer<void>(run.inputs[kB]);
    args.a_zero = zero(kAZero);
    args.b_zero = zero(kBZero);
    args.y = pointer<int32_t>(run.outputs[0]);
    args.n = static_cast<int32_t>(b.back());
    args.k = static_cast<int32_t>(a.back());
    const bool batched = b.rank() > 2;
    const int64_t rows = run.outputs[0].shape.elements() / args.n;
    args.m = static_cast<int32_t>(batched ? a[a.rank() - 2] : rows);
    args.a_batch = int64_t{args.m} * args.k;
    args.b_batch = int64_t{args.k} * args.n;
    args.a_signed = run.site.inputs[kA].type.dtype == DType::i8;
    args.b_signed = run.site.inputs[kB].type.dtype == DType::i8;
    args.b_zero_by_column = run.site.has_input(kBZero) && run.site.input_shape(kBZero).elements() > 1;
    const auto blocks = [](int64_t count, int each) { return static_cast<int>((count + each - 1) / each); };
    device().launch(
        mat_mul_integer_kernel,
        {{blocks(args.n, kIntegerThreads), blocks(args.m, kIntegerRows), static_cast<int>(rows / args.m)},
         kIntegerThreads,
         kIntegerShared},
        args);
  }
};

bool is_single(const OpSite& site, size_t i) {
  return !site.has_input(i) || (site.input_shape(i).is_concrete() && site.input_shape(i).elements() == 1);
}

/// B is a matrix, or A and B have the same batches.
Refusal supports(const OpSite& site) {
  const Shape &a = site.input_shape(kA), &b = site.input_shape(kB);
  if (a.rank() < 2 || b.rank() < 2) return "a vector";
  for (int axis = 0; b.rank() > 2 && axis + 2 < b.rank(); ++axis)
    if (a.rank() != b.rank() || a[axis] != b[axis] || a[axis] == Shape::kUnknownDim)
      return fmt::format("batches of {} and {}", a.str(), b.str());
  if (!is_single(site, kAZero)) return "a zero point for each row";
  if (!is_single(site, kBZero) && site.input_shape(kBZero).rank() != 1)
    return "zero points of B are no vector";
  for (const SiteInput& input : site.inputs)
    if (input.encoding) return "an input is encoded as " + input.encoding->str();
  return {};
}

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<MatMulInteger>();
}

}  // namespace

extern const Kernel mat_mul_integer{"mat_mul_integer", "MatMulInteger", Isa::scalar, supports, prepare};

}  // namespace halftone::cuda
