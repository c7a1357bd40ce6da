#pragma once

#include <algorithm>
#include <gtest/gtest.h>

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

/// Where a kernel can leave room between the rows of its output: that they are the same so, bit for bit, and
/// that what lies between them is left alone.
inline void expect_spaced_rows(const PreparedKernel& kernel, OpRun& op, const TensorView& expected,
                               const MutableTensorView& workspace, ThreadPool& threads) {
  const int64_t channels = expected.shape[1], step = channels + 5;
  if (expected.shape.elements() == 0) return;
  const size_t element = dtype_bytes(expected.dtype), row = static_cast<size_t>(channels) * element;
  const size_t rows = expected.size_bytes() / row, stride = static_cast<size_t>(step) * element;
  std::vector<std::byte> memory(rows * stride, std::byte{0xee});
  for (std::byte& b : workspace.bytes()) b = std::byte{0xff};
  const MutableTensorView spaced{expected.dtype, expected.shape, memory.data()};
  kernel.run({op.site(), op.operands(), {&spaced, 1}, workspace.bytes(), threads, step});
  for (size_t i = 0; i < rows; ++i) {
    const std::byte* at = memory.data() + i * stride;
    EXPECT_TRUE(std::equal(at, at + row, expected.data + i * row)) << "spaced row " << i;
    EXPECT_TRUE(std::all_of(at + row, at + stride, [](std::byte b) { return b == std::byte{0xee}; }))
        << "beyond spaced row " << i;
  }
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
  if (prepared->spaces_rows())
    expect_spaced_rows(*prepared, op, outputs[0].view(), workspace.mutable_view(), threads);
  return op.plain_outputs(std::move(outputs));
}

}  // namespace halftone
