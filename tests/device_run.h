#pragma once

#include "backend/cuda/cuda.h"
#include "core/short_floats.h"
#include "op_run.h"
#include "test_device.h"

namespace halftone::cuda {

/// A kernel of the CUDA backend bound to a use of an operator, with operands and outputs in a device's
/// memory.
class DeviceRun {
 public:
  /// The kernel must support the site. `op` and `device` must outlive this.
  DeviceRun(const Kernel& kernel, OpRun& op, Device& device) : op_(op), device_(device), threads_(1) {
    const OpSite& site = op.site();
    if (Refusal refusal = kernel.supports(site); !refusal.empty())
      throw std::logic_error(std::string(kernel.name) + " refuses: " + refusal);
    prepared_ = CudaBackend(device).prepare(kernel, site, threads_);
    operands_.assign(op.operands().begin(), op.operands().end());
    for (size_t i = 0; i < operands_.size(); ++i) {
      TensorView& tensor = operands_[i].tensor;
      if (!operands_[i].present || !tensor.data || operands_[i].state) continue;
      if (prepared_->keeps(i)) {
        operands_[i] = {};
        continue;
      }
      std::byte* copy = place(tensor.size_bytes(), "input " + std::to_string(i));
      device.upload(copy, tensor.data, tensor.size_bytes());
      tensor.data = copy;
    }
    made_ = op.outputs();
    views_ = OpRun::views(made_);
    for (MutableTensorView& view : views_)
      if (view.dtype != DType::state) view.data = place(view.size_bytes(), "an output");
    const size_t workspace = prepared_->workspace_bytes(site);
    workspace_ = {place(workspace, "the workspace"), workspace};
  }

  void run() { prepared_->run({op_.site(), operands_, views_, workspace_, threads_}); }
  /// On the host, planar and of their own types.
  std::vector<Tensor> outputs() {
    for (size_t i = 0; i < views_.size(); ++i)
      if (views_[i].dtype != DType::state)
        device_.download(made_[i].mutable_view().data, views_[i].data, views_[i].size_bytes());
    return op_.plain_outputs(made_);
  }
  /// What a run reads and writes at least: operands, constants as they are packed, outputs.
  size_t bytes() const {
    size_t sum = prepared_->packed_bytes();
    for (const Operand& operand : operands_)
      if (operand.present && operand.tensor.data) sum += operand.tensor.size_bytes();
    for (const MutableTensorView& view : views_)
      if (view.dtype != DType::state) sum += view.size_bytes();
    return sum;
  }

 private:
  std::byte* place(size_t bytes, std::string_view what) {
    memory_.push_back(device_.allocate(bytes, what));
    return memory_.back().get();
  }

  OpRun& op_;
  Device& device_;
  ThreadPool threads_;
  std::unique_ptr<PreparedKernel> prepared_;
  std::vector<std::shared_ptr<std::byte>> memory_;
  std::vector<Operand> operands_;
  std::vector<Tensor> made_;
  std::vector<MutableTensorView> views_;
  std::span<std::byte> workspace_;
};

/// The outputs that a kernel of the CUDA backend makes on `device`, on the host.
inline std::vector<Tensor> run_on_device(const Kernel& kernel, OpRun& op, Device& device) {
  DeviceRun on_device(kernel, op, device);
  on_device.run();
  return on_device.outputs();
}

constexpr DType kFloatTypes[] = {DType::f32, DType::f16, DType::bf16};

/// How far numbers of 16 bits may be apart, relative to them, that were rounded from either side of a middle;
/// nothing of f32.
inline float rounded_apart(DType dtype) {
  return is_short_float(dtype) ? 2 * rounding_of(dtype) : 0;
}

/// The kernel of that name.
inline const Kernel& cuda_kernel(std::string_view name) {
  for (const Kernel& kernel : cuda_kernels())
    if (kernel.name == name) return kernel;
  throw std::logic_error("no CUDA kernel " + std::string(name));
}

/// The kernel's outputs on the device of the tests, after checking that they are the same bits each time: in
/// every order of threads on the host that stands in, and again and again on a GPU.
inline std::vector<Tensor> run_on_test_device(const Kernel& kernel, OpRun& op) {
  std::vector<Tensor> first;
  for (host::ThreadOrder order :
       {host::ThreadOrder::forward, host::ThreadOrder::reverse, host::ThreadOrder::random}) {
    const TestDevice device(order, 7);
    std::vector<Tensor> made = run_on_device(kernel, op, *device);
    for (size_t i = 0; i < first.size(); ++i) {
      const auto a = first[i].view().bytes(), b = made[i].view().bytes();
      if (!std::equal(a.begin(), a.end(), b.begin()))
        throw std::logic_error(std::string(kernel.name) + ": the order of threads changes output " +
                               std::to_string(i));
    }
    if (first.empty()) first = std::move(made);
  }
  return first;
}

}  // namespace halftone::cuda
