#pragma once

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/cpu.h"
#include "ops/gemm/gemm.h"

namespace halftone::cpu {

/// The kernels of an operator whose names start with `prefix` and that this processor runs.
inline std::vector<const Kernel*> kernels_named(std::string_view prefix) {
  std::vector<const Kernel*> found;
  for (const Kernel& kernel : cpu_backend().kernels())
    if (kernel.name.starts_with(prefix) && cpu_has(kernel.isa)) found.push_back(&kernel);
  return found;
}

inline Tensor random_tensor(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  for (float& x : tensor.mutable_view().span<float>()) x = normal(random);
  return tensor;
}

inline Tensor as_dtype(const Tensor& tensor, DType dtype) {
  Tensor converted = Tensor::allocate(dtype, tensor.shape());
  store_floats(tensor.span<float>(), converted.mutable_view(), 0);
  return converted;
}

inline Encoding dynamic_int8(Granularity granularity) {
  return {.format = find_number_format("int8"), .granularity = granularity, .timing = Timing::dynamic};
}

/// One Gemm with transB = 1 and a constant B.
struct GemmCase {
  Attributes attributes = {{"transB", int64_t{1}}};
  Constant b = {};
  Constant c = {};  ///< used when `has_c`
  bool has_c = false;
  const Encoding* dynamic = nullptr;

  OpSite site(int64_t m) const {
    OpSite site{&gemm_schema(), &attributes, "linear", {}, {}};
    site.inputs.push_back({true, {DType::f32, {m, b.shape()[1]}}, nullptr, dynamic});
    site.inputs.push_back({true, {b.dtype(), b.shape()}, &b, b.encoding() ? &*b.encoding() : nullptr});
    if (has_c) site.inputs.push_back({true, {c.dtype(), c.shape()}, &c, nullptr});
    site.outputs = gemm_schema().infer(site);
    return site;
  }

  std::vector<float> reference(const Tensor& a) const {
    const OpSite made = site(a.shape()[0]);
    const auto encoded = b.encoding() ? b.load_encoded("B") : nullptr;
    const Tensor plain = encoded ? Tensor() : b.load();
    const Tensor addend = has_c ? c.load() : Tensor();
    const std::vector<Operand> inputs = {
        {a.view(), nullptr, nullptr, true},
        {encoded ? TensorView{} : plain.view(), encoded.get(), nullptr, true},
        {has_c ? addend.view() : TensorView{}, nullptr, nullptr, has_c}};
    std::vector<float> y(static_cast<size_t>(made.outputs[0].shape.elements()));
    const std::vector<MutableTensorView> outputs = {
        {DType::f32, made.outputs[0].shape, reinterpret_cast<std::byte*>(y.data())}};
    gemm_schema().reference(made, inputs, outputs);
    return y;
  }
};

/// A kernel prepared for a case (whatever the number of rows) and run on it.
class GemmRunner {
 public:
  GemmRunner(const Kernel& kernel, const GemmCase& test, int threads)
      : test_(test), threads_(threads), prepared_(kernel.prepare(test.site(1), threads_)) {
    if (!prepared_->keeps(1)) {
      encoded_ = test.b.encoding() ? test.b.load_encoded("B") : nullptr;
      if (!encoded_) plain_ = test.b.load();
    }
  }

  std::vector<float> run(const Tensor& a) {
    const OpSite site = test_.site(a.shape()[0]);
    std::vector<float> y(static_cast<size_t>(site.outputs[0].shape.elements()), -1);
    run_into(a, y);
    return y;
  }

  void run_into(const Tensor& a, std::span<float> y) {
    const OpSite site = test_.site(a.shape()[0]);
    const std::vector<Operand> inputs = {
        {a.view(), nullptr, nullptr, true},
        {plain_.empty() ? TensorView{} : plain_.view(), encoded_.get(), nullptr, !prepared_->keeps(1)},
        {{}, nullptr, nullptr, false}};
    const std::vector<MutableTensorView> outputs = {
        {DType::f32, site.outputs[0].shape, reinterpret_cast<std::byte*>(y.data())}};
    const size_t bytes = prepared_->workspace_bytes(site);
    if (workspace_.empty() || workspace_.size_bytes() < bytes) {
      workspace_ = Tensor::allocate(DType::u8, {static_cast<int64_t>(bytes)});
      // Whatever a kernel reads before it wrote it shows.
      std::memset(workspace_.mutable_view().data, 0xff, bytes);
    }
    prepared_->run({site, inputs, outputs, workspace_.mutable_view().bytes().first(bytes), threads_});
  }

  const PreparedKernel& prepared() const { return *prepared_; }
  ThreadPool& threads() { return threads_; }

 private:
  GemmCase test_;
  ThreadPool threads_;
  std::unique_ptr<PreparedKernel> prepared_;
  std::shared_ptr<const QuantizedTensor> encoded_;
  Tensor plain_;
  Tensor workspace_;
};

}  // namespace halftone::cpu
