#include <algorithm>
#include <array>

#include "backend/cuda/broadcast/broadcast.h"
#include "backend/cuda/broadcast/pairs_kernels.h"
#include "backend/cuda/codes/upload.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/float_types.h"
#include "core/short_floats.h"
#include "ops/elementwise.h"

namespace halftone::cuda {
namespace {

using Operands = std::array<BroadcastOperand, 2>;

Broadcast<2> meeting(const Operands& ab, const MutableTensorView& y, const Storage& storage) {
  return broadcast_of<2>(broadcast_steps(ab, {y.shape, y.data, dtype_bytes(y.dtype)}, storage));
}

template <class In, class Out>
void launch_pairs(Device& device, const DeviceKernel<PairArgs<const In*, Out*>>& kernel, const Operands& ab,
                  const MutableTensorView& y, const Storage& storage, Pair op) {
  const auto at = meeting(ab, y, storage);
  device.launch(kernel, thread_each(at.count),
                {static_cast<const In*>(ab[0].data), static_cast<const In*>(ab[1].data),
                 reinterpret_cast<Out*>(y.data), at, op});
}

/// Floats of `dtype`, or of f32 where they are constants of ours.
void launch_floats(Device& device, DType dtype, const Operands& ab, const MutableTensorView& y,
                   const Storage& storage, Pair op) {
  const auto floats = [&](const BroadcastOperand& x) {
    return Floats{x.data, x.bytes == sizeof(float) ? FloatType::f32 : float_type(dtype)};
  };
  const auto at = meeting(ab, y, storage);
  if (op >= Pair::equal)
    device.launch(test_floats, thread_each(at.count),
                  {floats(ab[0]), floats(ab[1]), reinterpret_cast<uint8_t*>(y.data), at, op});
  else
    device.launch(pairs_floats, thread_each(at.count), {floats(ab[0]), floats(ab[1]), floats_of(y), at, op});
}

/// By the type of a and b.
void launch_pairs(Device& device, DType dtype, const Operands& ab, const MutableTensorView& y,
                  const Storage& storage, Pair op) {
  if (y.shape.elements() == 0) return;
  const bool tests = op >= Pair::equal;
  switch (dtype) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      return launch_floats(device, dtype, ab, y, storage, op);
    case DType::i32:
      return tests ? launch_pairs(device, test_i32, ab, y, storage, op)
                   : launch_pairs(device, pairs_i32, ab, y, storage, op);
    case DType::i64:
      return tests ? launch_pairs(device, test_i64, ab, y, storage, op)
                   : launch_pairs(device, pairs_i64, ab, y, storage, op);
    default:
      return launch_pairs(device, test_u8, ab, y, storage, op);
  }
}

BroadcastOperand operand_of(const KernelRun& run, size_t i) {
  const SiteInput& input = run.site.inputs[i];
  return {input.type.shape, run.inputs[i].tensor.data, dtype_bytes(input.type.dtype)};
}

template <Pair op>
class PairKernel final : public CudaKernel {
 public:
  void run(const KernelRun& run) const override {
    launch_pairs(device(), run.site.inputs[0].type.dtype, {operand_of(run, 0), operand_of(run, 1)},
                 run.outputs[0], run.site.storage_of_output(0), op);
  }
};

/// Mod takes its kind from an attribute.
class ModKernel final : public CudaKernel {
 public:
  explicit ModKernel(const OpSite& site)
      : op_(site.attributes->get_int("fmod", 0) != 0 ? Pair::fmod : Pair::mod) {}
  void run(const KernelRun& run) const override {
    launch_pairs(device(), run.site.inputs[0].type.dtype, {operand_of(run, 0), operand_of(run, 1)},
                 run.outputs[0], run.site.storage_of_output(0), op_);
  }

 private:
  Pair op_;
};

/// An exponent that is a constant of another type than X becomes f32 once.
class PowKernel final : public CudaKernel {
 public:
  explicit PowKernel(const OpSite& site) : uploads_(device()) {
    if (site.inputs[1].type.dtype == site.inputs[0].type.dtype) return;
    const Tensor exponents = as_floats(site);
    exponents_ = uploads_.add(
        std::vector<float>(exponents.span<float>().begin(), exponents.span<float>().end()), "exponents");
  }
  bool keeps(size_t i) const override { return i == 1 && exponents_; }
  size_t packed_bytes() const override { return uploads_.bytes(); }

  void run(const KernelRun& run) const override {
    BroadcastOperand exponents{run.site.input_shape(1), exponents_, sizeof(float)};
    if (!exponents_) exponents = operand_of(run, 1);
    launch_pairs(device(), run.outputs[0].dtype, {operand_of(run, 0), exponents}, run.outputs[0],
                 run.site.storage_of_output(0), Pair::pow);
  }

 private:
  static Tensor as_floats(const OpSite& site) {
    const Tensor given = site.inputs[1].constant->load();
    Tensor floats = Tensor::allocate(DType::f32, given.shape());
    const auto to = floats.mutable_view().span<float>();
    visit_number(given.dtype(), [&](auto zero) {
      const auto from = given.span<decltype(zero)>();
      for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(widen(from[i]));
    });
    return floats;
  }

  Uploads uploads_;
  const float* exponents_ = nullptr;
};

/// x == 0.
class NotKernel final : public CudaKernel {
 public:
  explicit NotKernel(const OpSite&)
      : uploads_(device()), zero_(uploads_.add(std::vector<uint8_t>{0}, "a zero")) {}
  size_t packed_bytes() const override { return uploads_.bytes(); }
  void run(const KernelRun& run) const override {
    launch_pairs(device(), DType::boolean, {operand_of(run, 0), BroadcastOperand{{}, zero_, 1}},
                 run.outputs[0], run.site.storage_of_output(0), Pair::equal);
  }

 private:
  Uploads uploads_;
  const uint8_t* zero_;
};

/// The first two inputs, then each further one with what there is.
template <Pair op>
class VariadicKernel final : public CudaKernel {
 public:
  explicit VariadicKernel(const OpSite& site) : uploads_(device()) {
    if (site.schema->name == "Mean")
      count_ = uploads_.add(std::vector<float>{static_cast<float>(site.inputs.size())}, "a count");
    zero_ = op == Pair::add ? uploads_.add(std::vector<float>{-0.0f}, "a zero") : nullptr;
  }
  size_t packed_bytes() const override { return uploads_.bytes(); }

  void run(const KernelRun& run) const override {
    const MutableTensorView& y = run.outputs[0];
    const DType dtype = run.site.inputs[0].type.dtype;
    const Storage storage = run.site.storage_of_output(0);
    const BroadcastOperand made{y.shape, y.data, dtype_bytes(dtype)};
    const BroadcastOperand first = operand_of(run, 0);
    if (run.inputs.size() == 1) {
      const BroadcastOperand same = zero_ ? BroadcastOperand{{}, zero_, sizeof(float)} : first;
      launch_pairs(device(), dtype, {first, same}, y, storage, op);
    }
    for (size_t i = 1; i < run.inputs.size(); ++i)
      launch_pairs(device(), dtype, {i == 1 ? first : made, operand_of(run, i)}, y, storage, op);
    if (count_)
      launch_pairs(device(), dtype, {made, BroadcastOperand{{}, count_, sizeof(float)}}, y, storage,
                   Pair::div);
  }

 private:
  Uploads uploads_;
  const float* count_ = nullptr;
  const float* zero_ = nullptr;  ///< what changes no sum
};

Refusal arithmetic_refusal(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  const DType dtype = site.inputs[0].type.dtype;
  const bool integers = dtype == DType::i32 || dtype == DType::i64;
  return integers ? not_all_of(site, dtype) : not_one_float(site, site.inputs.size());
}

/// Of more than two a sum is rounded once.
Refusal sum_refusal(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  const DType dtype = site.inputs[0].type.dtype;
  if (is_short_float(dtype) && (site.inputs.size() > 2 || site.schema->name == "Mean"))
    return fmt::format("{} numbers of {}", site.inputs.size(), dtype_name(dtype));
  return not_one_float(site, site.inputs.size());
}

Refusal floats_refusal(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  return not_one_float(site, site.inputs.size());
}

Refusal pow_refusal(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  if (Refusal refusal = not_one_float(site, 1); !refusal.empty()) return refusal;
  if (site.inputs[1].encoding) return "Y is encoded as " + site.inputs[1].encoding->str();
  if (site.inputs[1].type.dtype != site.inputs[0].type.dtype && !site.inputs[1].constant)
    return fmt::format("Y is {} and no constant", dtype_name(site.inputs[1].type.dtype));
  return {};
}

Refusal test_refusal(const OpSite& site) {
  if (Refusal refusal = broadcast_refusal(site); !refusal.empty()) return refusal;
  const DType dtype = site.inputs[0].type.dtype;
  constexpr std::array kTaken{DType::f32, DType::f16, DType::bf16,   DType::i32,
                              DType::i64, DType::u8,  DType::boolean};
  if (std::find(kTaken.begin(), kTaken.end(), dtype) == kTaken.end())
    return fmt::format("A is {}", dtype_name(dtype));
  return not_all_of(site, dtype);
}

template <class K>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  if constexpr (std::is_default_constructible_v<K>)
    return std::make_unique<K>();
  else
    return std::make_unique<K>(site);
}

}  // namespace

#define HALFTONE_CUDA_PAIRS(variable, name, op, refusal, ...) \
  extern const Kernel variable{name, op, Isa::scalar, refusal, prepare<__VA_ARGS__>, true};
HALFTONE_CUDA_PAIRS(add, "add", "Add", arithmetic_refusal, PairKernel<Pair::add>)
HALFTONE_CUDA_PAIRS(sub, "sub", "Sub", arithmetic_refusal, PairKernel<Pair::sub>)
HALFTONE_CUDA_PAIRS(mul, "mul", "Mul", arithmetic_refusal, PairKernel<Pair::mul>)
HALFTONE_CUDA_PAIRS(div_pairs, "div", "Div", arithmetic_refusal, PairKernel<Pair::div>)
HALFTONE_CUDA_PAIRS(mod, "mod", "Mod", arithmetic_refusal, ModKernel)
HALFTONE_CUDA_PAIRS(pow_pairs, "pow", "Pow", pow_refusal, PowKernel)
HALFTONE_CUDA_PAIRS(p_relu, "p_relu", "PRelu", floats_refusal, PairKernel<Pair::p_relu>)
HALFTONE_CUDA_PAIRS(max_of, "max", "Max", arithmetic_refusal, VariadicKernel<Pair::max>)
HALFTONE_CUDA_PAIRS(min_of, "min", "Min", arithmetic_refusal, VariadicKernel<Pair::min>)
HALFTONE_CUDA_PAIRS(sum_of, "sum", "Sum", sum_refusal, VariadicKernel<Pair::add>)
HALFTONE_CUDA_PAIRS(mean_of, "mean", "Mean", sum_refusal, VariadicKernel<Pair::add>)
HALFTONE_CUDA_PAIRS(equal, "equal", "Equal", test_refusal, PairKernel<Pair::equal>)
HALFTONE_CUDA_PAIRS(greater, "greater", "Greater", test_refusal, PairKernel<Pair::greater>)
HALFTONE_CUDA_PAIRS(greater_or_equal, "greater_or_equal", "GreaterOrEqual", test_refusal,
                    PairKernel<Pair::greater_or_equal>)
HALFTONE_CUDA_PAIRS(less, "less", "Less", test_refusal, PairKernel<Pair::less>)
HALFTONE_CUDA_PAIRS(less_or_equal, "less_or_equal", "LessOrEqual", test_refusal,
                    PairKernel<Pair::less_or_equal>)
HALFTONE_CUDA_PAIRS(logical_and, "and", "And", test_refusal, PairKernel<Pair::logical_and>)
HALFTONE_CUDA_PAIRS(logical_or, "or", "Or", test_refusal, PairKernel<Pair::logical_or>)
HALFTONE_CUDA_PAIRS(logical_xor, "xor", "Xor", test_refusal, PairKernel<Pair::logical_xor>)
HALFTONE_CUDA_PAIRS(logical_not, "not", "Not", test_refusal, NotKernel)

}  // namespace halftone::cuda
