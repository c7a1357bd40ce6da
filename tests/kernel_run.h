#pragma once

#include "backend/cpu/cpu.h"
#include "op_run.h"

namespace halftone {

/// The CPU kernels of an operator that this processor runs, best first.
inline std::vector<const Kernel*> cpu_kernels(std::string_view op) {
  std::vector<const Kernel*> found;
  for (const Kernel& kernel : cpu_backend().kernels())
    if (kernel.op == op && cpu_has(kernel.isa)) found.push_back(&kernel);
  if (found.empty()) throw std::logic_error(std::string(op) + " has no kernel here");
  return found;
}

/// Those of them that compute on floating values, not on stored codes: their names tell.
inline std::vector<const Kernel*> float_kernels(std::string_view op) {
  std::vector<const Kernel*> found = cpu_kernels(op);
  std::erase_if(found, [](const Kernel* kernel) {
    return kernel->name.find("_codes") != std::string_view::npos ||
           kernel->name.find("_int8") != std::string_view::npos;
  });
  return found;
}

/// The outputs that `kernel` makes, planar, with a workspace of exactly the bytes it asks for (filled with a
/// pattern that is NaN as a float). The kernel must support the site.
inline std::vector<Tensor> run_kernel(const Kernel& kernel, OpRun& op, ThreadPool& threads) {
  const OpSite& site = op.site();
  if (Refusal refusal = kernel.supports(site); !refusal.empty())
    throw std::logic_error(std::string(kernel.name) + " refuses: " + refusal);
  const auto prepared = kernel.prepare(site, threads);
  Tensor workspace = Tensor::allocate(DType::u8, {static_cast<int64_t>(prepared->workspace_bytes(site))});
  for (std::byte& b : workspace.mutable_view().bytes()) b = std::byte{0xff};
  std::vector<Tensor> outputs = op.outputs();
  const std::vector<MutableTensorView> views = OpRun::views(outputs);
  prepared->run({site, op.operands(), views, workspace.mutable_view().bytes(), threads});
  return op.plain_outputs(std::move(outputs));
}

}  // namespace halftone
