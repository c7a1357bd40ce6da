#include "runtime/value_layout.h"

#include <gtest/gtest.h>

#include "op_run.h"
#include "runtime/session.h"

namespace halftone {
namespace {

/// Relu and Abs of x, joined along `axis`, and the parts read again behind.
struct Joined {
  Graph graph;
  ValueId a, b, whole;

  Joined(const Shape& shape, int64_t axis) {
    const ValueId x = graph.add_input("x", {DType::f32, shape});
    a = graph.add_node(*find_op("Relu"), "a", {x}).front();
    b = graph.add_node(*find_op("Abs"), "b", {x}).front();
    whole = graph.add_node(*find_op("Concat"), "whole", {a, b}, {{"axis", axis}}).front();
    const ValueId sum = graph.add_node(*find_op("Add"), "sum", {a, b}).front();
    graph.add_output(graph.add_node(*find_op("Neg"), "y", {whole}).front(), "y");
    graph.add_output(sum, "sum");
  }

  ValueLayout layout() const { return lay_out_values(graph, concretize(graph, std::vector<int64_t>())); }
};

TEST(ValueLayout, PartsOfAConcatAreMadeInTheirPlace) {
  const Joined joined({1, 16, 4}, 1);
  const ValueLayout layout = joined.layout();
  EXPECT_EQ(layout.pieces_in_place(), 2);
  const auto at = [&](ValueId id) { return layout.offsets[static_cast<size_t>(id)]; };
  EXPECT_EQ(at(joined.a), at(joined.whole));
  EXPECT_EQ(at(joined.b), at(joined.whole) + 256);
}

TEST(ValueLayout, PartsThatLieApartAreCopied) {
  EXPECT_EQ(Joined({2, 16, 4}, 1).layout().pieces_in_place(), 0);  // inside rows
  EXPECT_EQ(Joined({1, 5, 3}, 1).layout().pieces_in_place(), 1);   // the second would start at byte 60
  Joined turned({1, 16, 4, 4}, 1);
  for (ValueId id : {turned.a, turned.b, turned.whole})
    turned.graph.value(id).storage.order = Storage::Order::channels_last;
  EXPECT_EQ(turned.layout().pieces_in_place(), 0);
}

/// A kernel that takes any row step, and a Concat that leaves alone what is there.
class AnyRows : public PreparedKernel {
 public:
  bool spaces_rows() const override { return true; }
  bool keeps_rows() const override { return true; }
  void run(const KernelRun&) const override {}
};

TEST(ValueLayout, RowsThatOnlyAConcatReadsAreMadeInsideItsRows) {
  Joined joined({1, 5, 4, 3}, 1);
  const ValueId c = joined.graph.add_node(*find_op("Exp"), "c", {joined.a}).front();
  const ValueId d = joined.graph.add_node(*find_op("Tanh"), "d", {joined.a}).front();
  const ValueId all =
      joined.graph.add_node(*find_op("Concat"), "all", {c, joined.b, d}, {{"axis", int64_t{1}}}).front();
  joined.graph.add_output(joined.graph.add_node(*find_op("Neg"), "z", {all}).front(), "z");
  for (size_t id = 0; id < joined.graph.values().size(); ++id)
    joined.graph.value(static_cast<ValueId>(id)).storage.order = Storage::Order::channels_last;
  std::vector<Step> steps(joined.graph.nodes().size());
  for (Step& step : steps) step.prepared = std::make_unique<AnyRows>();
  const ConcreteGraph concrete = concretize(joined.graph, std::vector<int64_t>());
  const ValueLayout layout = lay_out_values(joined.graph, concrete, steps);
  const auto index = [](ValueId id) { return static_cast<size_t>(id); };
  EXPECT_EQ(layout.pieces_in_place(), 2);  // a and b are read by others too
  for (ValueId id : {c, d}) EXPECT_EQ(layout.row_steps[index(id)], 15) << id;
  for (ValueId id : {joined.a, joined.b, joined.whole, all}) EXPECT_EQ(layout.row_steps[index(id)], 0) << id;
  EXPECT_EQ(layout.offsets[index(c)], layout.offsets[index(all)]);
  EXPECT_EQ(layout.offsets[index(d)], layout.offsets[index(all)] + 10 * sizeof(float));

  for (size_t n = 0; n < steps.size(); ++n)
    if (joined.graph.nodes()[n].schema->name == "Concat") steps[n].prepared = nullptr;
  EXPECT_EQ(lay_out_values(joined.graph, concrete, steps).pieces_in_place(), 0);
  EXPECT_EQ(lay_out_values(joined.graph, concrete).pieces_in_place(), 0);
}

TEST(ValueLayout, ConcatsOfConcatsShareOnePlace) {
  Joined joined({1, 16, 4}, 1);
  const ValueId c = joined.graph.add_node(*find_op("Exp"), "c", {joined.a}).front();
  const ValueId all =
      joined.graph.add_node(*find_op("Concat"), "all", {c, joined.whole}, {{"axis", int64_t{1}}}).front();
  joined.graph.add_output(all, "all");
  const ValueLayout layout = joined.layout();
  EXPECT_EQ(layout.pieces_in_place(), 4);
  EXPECT_EQ(layout.offsets[static_cast<size_t>(joined.b)],
            layout.offsets[static_cast<size_t>(all)] + 2 * 256);
}

TEST(ValueLayout, AnswersAreThoseOfCopies) {
  Joined joined({1, 16, 4}, 1);
  const Tensor x = random_tensor({1, 16, 4}, 3);
  ThreadPool threads(1);
  Session session(compile(joined.graph, {}, threads), threads);
  session.run({{"x", x.view()}});
  const TensorView y = session.output("y"), sum = session.output("sum");
  for (size_t i = 0; i < 64; ++i) {
    const float v = x.span<float>()[i];
    EXPECT_EQ(y.span<float>()[i], -std::max(v, 0.0f));
    EXPECT_EQ(y.span<float>()[64 + i], -std::abs(v));
    EXPECT_EQ(sum.span<float>()[i], std::max(v, 0.0f) + std::abs(v));
  }
}

}  // namespace
}  // namespace halftone
