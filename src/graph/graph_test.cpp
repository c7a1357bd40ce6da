#include "graph/graph.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/concretize.h"
#include "graph/passes/dynamic_activations.h"
#include "graph/passes/pass.h"

namespace halftone {
namespace {

/// x -> norm -> gated MLP of a decoder, over a symbolic number of tokens, with a residual around it.
struct Mlp {
  Graph graph;
  ValueId out;

  explicit Mlp(int64_t width = 8, int64_t hidden = 16) {
    graph.name = "mlp";
    const int64_t tokens = graph.symbol("tokens", 1, 64);
    const ValueId x = graph.add_input("x", {DType::f32, {tokens, width}});
    const ValueId y = graph.add_input("y", {DType::f32, {tokens, width}});
    const ValueId sum = node("Add", "sum", {x, y});
    const ValueId scale = graph.add_constant("scale", Constant(Tensor::zeros(DType::f32, {width})));
    const ValueId norm = node("RMSNormalization", "norm", {sum, scale}, {{"epsilon", 1e-5f}});
    const ValueId gate = linear("gate", norm, width, hidden);
    const ValueId up = linear("up", norm, width, hidden);
    const ValueId gated = node("Mul", "gated", {node("Swish", "act", {gate}), up});
    out = node("Add", "out", {sum, linear("down", gated, hidden, width)});
    graph.add_output(out, "result");
  }

  ValueId node(std::string_view op, std::string name, std::vector<ValueId> inputs,
               Attributes attributes = {}) {
    return graph.add_node(*find_op(op), std::move(name), std::move(inputs), std::move(attributes)).front();
  }

  ValueId linear(const std::string& name, ValueId x, int64_t in, int64_t out_width) {
    Constant weight(Tensor::zeros(DType::f32, {out_width, in}));
    return node("Gemm", name, {x, graph.add_constant(name + ".weight", std::move(weight))},
                {{"transB", int64_t{1}}});
  }
};

TEST(Graph, TextShowsWhatIsThere) {
  Mlp mlp;
  verify(mlp.graph);
  EXPECT_EQ(graph_text(mlp.graph), R"(graph mlp
symbol tokens 1..64
input %x: f32[tokens, 8]
input %y: f32[tokens, 8]
constant %scale: f32[8]
constant %gate.weight: f32[16, 8]
constant %up.weight: f32[16, 8]
constant %down.weight: f32[8, 16]
%sum: f32[tokens, 8] = Add(%x, %y)
%norm: f32[tokens, 8] = RMSNormalization(%sum, %scale) epsilon=1e-05
%gate: f32[tokens, 16] = Gemm(%norm, %gate.weight) transB=1
%up: f32[tokens, 16] = Gemm(%norm, %up.weight) transB=1
%act: f32[tokens, 16] = Swish(%gate)
%gated: f32[tokens, 16] = Mul(%act, %up)
%down: f32[tokens, 8] = Gemm(%gated, %down.weight) transB=1
%out: f32[tokens, 8] = Add(%sum, %down)
output result = %out
)");
}

TEST(Graph, FusesTheMiddleOfTheMlpAndTheResidualNorm) {
  Mlp mlp;
  const auto reports = run_passes(mlp.graph, standard_passes());
  const std::string text = graph_text(mlp.graph);
  EXPECT_NE(
      text.find(
          "%norm: f32[tokens, 8], %sum: f32[tokens, 8] = SkipRMSNormalization(%x, %y, %scale) epsilon=1e-05"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("%gated: f32[tokens, 16] = GatedActivation(%gate, %up) activation=\"silu\""),
            std::string::npos)
      << text;
  EXPECT_EQ(mlp.graph.nodes().size(), 6u);
  EXPECT_EQ(reports.size(), standard_passes().size());
}

TEST(Graph, FoldsConstantsAndDropsWhatNobodyReads) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {2}});
  const ValueId a = graph.add_constant("a", Constant(Tensor::from<float>({2}, {1, 2})));
  const ValueId b = graph.add_constant("b", Constant(Tensor::from<float>({2}, {3, 4})));
  const ValueId ab = graph.add_node(*find_op("Add"), "ab", {a, b}).front();
  graph.add_node(*find_op("Mul"), "unused", {x, a});
  graph.add_output(graph.add_node(*find_op("Mul"), "y", {x, ab}).front(), "y");
  run_passes(graph, standard_passes());
  ASSERT_EQ(graph.nodes().size(), 1u);
  EXPECT_EQ(graph_text(graph),
            "graph \ninput %x: f32[2]\nconstant %ab: f32[2]\n%y: f32[2] = Mul(%x, %ab)\noutput y = %y\n");
  EXPECT_EQ(graph.value(ab).constant->load().span<float>()[1], 6.0f);
}

/// A few bytes may ask for tables of any size and number: they are made as the graph runs, if at all.
TEST(Graph, FoldsNoMoreThanTheModelsSizeSuggests) {
  Graph graph;
  const ValueId one = graph.add_constant("one", Constant(Tensor::from<float>({}, {1})));
  const ValueId sizes = graph.add_constant("sizes", Constant(Tensor::from<int64_t>({1}, {int64_t{1} << 24})));
  for (int i = 0; i < 40; ++i) {
    const std::string name = "table" + std::to_string(i);
    graph.add_output(graph.add_node(*find_op("Expand"), name, {one, sizes}).front(), name);
  }
  run_passes(graph, standard_passes());
  EXPECT_GT(graph.nodes().size(), 35u);
  EXPECT_LT(graph.nodes().size(), 40u);
}

TEST(Graph, DynamicActivationsShowOnTheUse) {
  Mlp mlp;
  for (const char* name : {"gate.weight", "down.weight"})
    for (size_t id = 0; id < mlp.graph.values().size(); ++id) {
      Value& value = mlp.graph.value(static_cast<ValueId>(id));
      if (value.name != name) continue;
      Encoding encoding;
      encoding.format = find_number_format("int4");
      encoding.granularity = Granularity::per_group(4);
      value.constant->set_encoding(encoding);
    }
  EXPECT_EQ(add_dynamic_activations(mlp.graph), 2);
  verify(mlp.graph);
  const std::string text = graph_text(mlp.graph);
  EXPECT_NE(text.find("Gemm(%norm{int8 per-token dynamic}, %gate.weight)"), std::string::npos) << text;
  EXPECT_NE(text.find("Gemm(%norm, %up.weight)"), std::string::npos) << text;
  EXPECT_EQ(remove_dynamic_activations(mlp.graph), 2);
}

TEST(Graph, ConcreteShapesFollowTheSymbols) {
  Mlp mlp;
  const std::vector<int64_t> sizes{5};
  const ConcreteGraph concrete = concretize(mlp.graph, sizes);
  EXPECT_EQ(concrete.types[static_cast<size_t>(mlp.out)].shape, Shape({5, 8}));
}

TEST(Verify, NamesWhatIsWrong) {
  auto complaint = [](const Graph& graph) -> std::string {
    try {
      verify(graph);
    } catch (const std::logic_error& error) {
      return error.what();
    }
    return "";
  };
  Mlp late;
  std::swap(late.graph.nodes().front(), late.graph.nodes().back());
  EXPECT_NE(complaint(late.graph).find("before it is made"), std::string::npos);

  Mlp twice;
  twice.graph.nodes()[1].outputs = twice.graph.nodes()[0].outputs;
  EXPECT_NE(complaint(twice.graph).find("is made twice"), std::string::npos);

  Mlp named;
  named.graph.value(named.out).name = "x";
  EXPECT_NE(complaint(named.graph).find("two values are named x"), std::string::npos);

  Mlp typed;
  typed.graph.value(typed.out).type.dtype = DType::f16;
  EXPECT_NE(complaint(typed.graph).find("differs from the shape rule"), std::string::npos);
}

TEST(Graph, NodesThatDoNotFitAreInputErrors) {
  Mlp mlp;
  const ValueId wrong = mlp.graph.add_constant("wrong", Constant(Tensor::zeros(DType::f32, {3, 5})));
  EXPECT_THROW(mlp.graph.add_node(*find_op("Gemm"), "bad", {0, wrong}, {{"transB", int64_t{1}}}), InputError);
}

/// x [batch, 4, 3] -> Reshape(x, Concat(Gather(Shape(x), 0), [-1])), as exporters write a flattening.
Graph flattened(int64_t batch) {
  Graph graph;
  const auto node = [&](std::string_view op, const std::string& name, std::vector<ValueId> inputs,
                        Attributes attributes = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  };
  const auto ints = [&](const std::string& name, const Shape& shape, int64_t value) {
    return graph.add_constant(name, Constant(Tensor::from<int64_t>(shape, {value})));
  };
  const ValueId x =
      graph.add_input("x", {DType::f32, {batch < 0 ? graph.symbol("batch", 1, 8) : batch, 4, 3}});
  const ValueId rows = node("Gather", "rows", {node("Shape", "sizes", {x}), ints("zero", {1}, 0)});
  const ValueId shape = node("Concat", "shape", {rows, ints("rest", {1}, -1)}, {{"axis", int64_t{0}}});
  graph.add_output(node("Reshape", "flat", {x, shape}), "flat");
  return graph;
}

TEST(ShapeArithmetic, FoldsWhereSizesAreKnown) {
  Graph graph = flattened(2);
  for (const PassReport& report : run_passes(graph, standard_passes()))
    if (report.name == "fold_constants") {
      EXPECT_EQ(report.changes, 3);
    }
  EXPECT_EQ(graph_text(graph),
            "graph \ninput %x: f32[2, 4, 3]\nconstant %shape: i64[2]\n"
            "%flat: f32[2, 12] = Reshape(%x, %shape)\noutput flat = %flat\n");
}

TEST(ShapeArithmetic, IsDoneWhenSizesAreGiven) {
  Graph graph = flattened(-1);
  EXPECT_EQ(graph.value(graph.outputs()[0]).type.shape, (Shape{Shape::kUnknownDim, Shape::kUnknownDim}));
  const ConcreteGraph concrete = concretize(graph, {{"batch", 5}});
  EXPECT_TRUE(concrete.is_complete());
  EXPECT_EQ(concrete.types.back().shape, (Shape{5, 12}));
}

TEST(Graph, OptionalOutputsAreMadeWhenAskedFor) {
  static const OpSchema schema = [] {
    OpSchema twice = *find_op("Identity");
    twice.outputs = {"output", "again"};
    twice.optional_outputs = 1;
    twice.infer = [](const OpSite& site) { return std::vector(2, site.inputs[0].type); };
    return twice;
  }();
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {2}});
  EXPECT_EQ(graph.add_node(schema, "one", {x}).size(), 1u);
  EXPECT_EQ(graph.add_node(schema, "two", {x}, {}, 2).size(), 2u);
  verify(graph);
}

}  // namespace
}  // namespace halftone
