#pragma once

#include "backend/cuda/cuda.h"
#include "backend/cuda/device/host/host_device.h"
#include "op_run.h"

namespace halftone::cuda {

/// The outputs that a kernel of the CUDA backend makes on `device`, on the host. It must support the site.
inline std::vector<Tensor> run_on_device(const Kernel& kernel, OpRun& op, Device& device) {
  const OpSite& site = op.site();
  if (Refusal refusal = kernel.supports(site); !refusal.empty())
    throw std::logic_error(std::string(kernel.name) + " refuses: " + refusal);
  ThreadPool threads(1);
  const auto prepared = CudaBackend(device).prepare(kernel, site, threads);

  std::vector<std::shared_ptr<std::byte>> memory;
  const auto place = [&](size_t bytes, std::string_view what) {
    memory.push_back(device.allocate(bytes, what));
    return memory.back().get();
  };
  std::vector<Operand> operands(op.operands().begin(), op.operands().end());
  for (size_t i = 0; i < operands.size(); ++i) {
    TensorView& tensor = operands[i].tensor;
    if (!operands[i].present || !tensor.data || operands[i].state) continue;
    if (prepared->keeps(i)) {
      operands[i] = {};
      continue;
    }
    std::byte* copy = place(tensor.size_bytes(), "input " + std::to_string(i));
    device.upload(copy, tensor.data, tensor.size_bytes());
    tensor.data = copy;
  }
  std::vector<Tensor> outputs = op.outputs();
  std::vector<MutableTensorView> views = OpRun::views(outputs), on_device = views;
  for (MutableTensorView& view : on_device)
    if (view.dtype != DType::state) view.data = place(view.size_bytes(), "an output");
  const size_t workspace = prepared->workspace_bytes(site);
  prepared->run({site, operands, on_device, {place(workspace, "the workspace"), workspace}, threads});
  for (size_t i = 0; i < views.size(); ++i)
    if (views[i].dtype != DType::state)
      device.download(views[i].data, on_device[i].data, views[i].size_bytes());
  return op.plain_outputs(std::move(outputs));
}

/// The kernel of that name.
inline const Kernel& cuda_kernel(std::string_view name) {
  for (const Kernel& kernel : cuda_kernels())
    if (kernel.name == name) return kernel;
  throw std::logic_error("no CUDA kernel " + std::string(name));
}

/// The kernel's outputs on the host's stand-in, after checking that no order of its threads changes a bit of
/// them.
inline std::vector<Tensor> run_on_host_device(const Kernel& kernel, OpRun& op) {
  std::vector<Tensor> first;
  for (host::ThreadOrder order :
       {host::ThreadOrder::forward, host::ThreadOrder::reverse, host::ThreadOrder::random}) {
    HostDevice device(order, 7);
    std::vector<Tensor> made = run_on_device(kernel, op, device);
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
