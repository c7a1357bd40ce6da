#include "runtime/widen_short_floats.h"

#include <gtest/gtest.h>

#include "op_run.h"

namespace halftone {
namespace {

Refusal only_f32(const OpSite& site) {
  for (const SiteInput& input : site.inputs)
    if (input.type.dtype != DType::f32) return "not f32";
  return {};
}
Refusal f32_by_anything(const OpSite& site) {
  return site.inputs[0].type.dtype == DType::f32 ? "" : "not f32";
}
Refusal anything(const OpSite&) {
  return {};
}

class FewKernels : public Backend {
 public:
  std::string_view name() const override { return "few"; }
  std::span<const Kernel> kernels() const override {
    static constexpr Kernel kKernels[] = {{"exp", "Exp", Isa::scalar, only_f32},
                                          {"add", "Add", Isa::scalar, only_f32},
                                          {"gemm", "Gemm", Isa::scalar, f32_by_anything},
                                          {"relu", "Relu", Isa::scalar, anything}};
    return kKernels;
  }
};

/// A value is widened once for all who read it so, a constant only where it must be; what a kernel takes, or
/// none takes in f32 either, is left alone.
TEST(WidenShortFloats, PutsCastsAroundWhatNeedsThem) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f16, {2, 3}});
  const ValueId w = graph.add_constant("w", Constant(as_type(random_tensor({3, 3}, 1), DType::f16)));
  const ValueId b = graph.add_constant("b", Constant(as_type(random_tensor({3}, 2), DType::f16)));
  const auto node = [&](const char* op, const char* name, std::vector<ValueId> inputs) {
    return graph.add_node(*find_op(op), name, std::move(inputs))[0];
  };
  const ValueId product = node("Gemm", "product", {x, w});
  const ValueId power = node("Exp", "power", {x});
  const ValueId sum = node("Add", "sum", {node("Relu", "relu", {product}), b});
  graph.add_output(sum, "sum");
  graph.add_output(node("Sin", "sine", {power}), "sine");
  const Graph before = graph;

  EXPECT_EQ(widen_short_floats(graph, FewKernels()), 3);
  verify(graph);
  EXPECT_EQ(graph_text(graph),
            "graph \n"
            "input %x: f16[2, 3]\n"
            "constant %w: f16[3, 3]\n"
            "constant %b: f16[3]\n"
            "constant %b.f32: f32[3]\n"
            "%x.f32: f32[2, 3] = Cast(%x) to=1\n"
            "%product.f32: f32[2, 3] = Gemm(%x.f32, %w)\n"
            "%product: f16[2, 3] = Cast(%product.f32) to=10\n"
            "%power.f32: f32[2, 3] = Exp(%x.f32)\n"
            "%power: f16[2, 3] = Cast(%power.f32) to=10\n"
            "%relu: f16[2, 3] = Relu(%product)\n"
            "%relu.f32: f32[2, 3] = Cast(%relu) to=1\n"
            "%sum.f32: f32[2, 3] = Add(%relu.f32, %b.f32)\n"
            "%sum: f16[2, 3] = Cast(%sum.f32) to=10\n"
            "%sine: f16[2, 3] = Sin(%power)\n"
            "output sum = %sum\n"
            "output sine = %sine\n");
}

}  // namespace
}  // namespace halftone
