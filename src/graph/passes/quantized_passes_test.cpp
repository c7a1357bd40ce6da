#include <algorithm>
#include <gtest/gtest.h>

#include "graph/passes/pass.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

/// Quantized models as other tools write them, on images [1, 2, 4, 4].
struct Made {
  Graph graph;

  ValueId number(const std::string& name, float value) {
    return graph.add_constant(name, Constant(Tensor::from<float>({}, {value})));
  }
  template <class T>
  ValueId code(const std::string& name, T value) {
    return graph.add_constant(name, Constant(Tensor::from<T>({}, {value})));
  }
  ValueId weights(const std::string& name) {
    return graph.add_constant(name, Constant(Tensor::from<int8_t>({2, 2, 1, 1}, {1, -2, 3, 127})));
  }
  ValueId add(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
              Attributes attributes = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  }
  ValueId input() { return graph.add_input("x", {DType::f32, {1, 2, 4, 4}}); }
  std::string text_after_passes(ValueId output) {
    graph.add_output(output, "y");
    run_passes(graph, standard_passes());
    return graph_text(graph);
  }
};

TEST(QuantizedPasses, PairsBecomeCodesOfTheLayers) {
  Made m;
  const ValueId s = m.number("s", 0.5f), z = m.code<uint8_t>("z", 3), t = m.number("t", 0.25f);
  const ValueId scales = m.graph.add_constant("scales", Constant(Tensor::from<float>({2}, {0.1f, 0.2f})));
  const ValueId x = m.add("DequantizeLinear", "xd", {m.add("QuantizeLinear", "xq", {m.input(), s, z}), s, z});
  const ValueId w = m.add("DequantizeLinear", "wd", {m.weights("w"), scales}, {{"axis", int64_t{0}}});
  const ValueId relu = m.add("Relu", "relu", {m.add("Conv", "conv", {x, w})});
  const ValueId codes = m.add("QuantizeLinear", "yq", {relu, t, z});
  const ValueId soft = m.add("Softmax", "soft", {m.add("DequantizeLinear", "yd", {codes, t, z})});
  EXPECT_EQ(m.text_after_passes(soft),
            "graph \ninput %x: f32[1, 2, 4, 4]\nconstant %wd.codes: f32[2, 2, 1, 1] as int8 per-channel "
            "f32-scales\n"
            "%relu: f32[1, 2, 4, 4] = Conv(%x, %wd.codes) activation=\"relu\" codes_in=[0.5, 3] "
            "codes_out=[0.25, 3]\n"
            "%soft: f32[1, 2, 4, 4] = Softmax(%relu)\noutput y = %soft\n");
}

/// Positions that turn out to be constant, behind which a layer has dynamic int8.
TEST(QuantizedPasses, WhatALayerRoundsIsNoConstant) {
  Made m;
  const ValueId table = m.graph.add_constant("table", Constant(Tensor::zeros(DType::f32, {5, 2})));
  const ValueId places = m.graph.add_constant("places", Constant(Tensor::from<int64_t>({2}, {4, 1})));
  const ValueId w = m.graph.add_constant("w", Constant(Tensor::from<float>({2, 2}, {1, -2, 3, 4})));
  const ValueId y =
      m.add("Gemm", "y", {m.add("Gather", "taken", {table, places}), w}, {{"transB", int64_t{1}}});
  m.graph.nodes().back().use_encodings = {Encoding{.format = find_number_format("int8"),
                                                   .granularity = Granularity::per_token(),
                                                   .timing = Timing::dynamic}};
  EXPECT_NE(m.text_after_passes(y).find("= Gather(%table, %places)"), std::string::npos);
  verify(m.graph);
}

TEST(QuantizedPasses, SigmoidAndProductOnCodesAreOneTable) {
  Made m;
  const ValueId s = m.number("s", 0.5f), z = m.code<uint8_t>("z", 3);
  const ValueId t = m.number("t", 0.004f), u = m.number("u", 0.25f), zero = m.code<uint8_t>("0", 0);
  const ValueId x = m.add("DequantizeLinear", "xd", {m.add("QuantizeLinear", "xq", {m.input(), s, z}), s, z});
  const ValueId gate = m.add("QuantizeLinear", "gq", {m.add("Sigmoid", "gate", {x}), t, zero});
  const ValueId product = m.add("Mul", "mul", {x, m.add("DequantizeLinear", "gd", {gate, t, zero})});
  const ValueId y = m.add("DequantizeLinear", "yd", {m.add("QuantizeLinear", "yq", {product, u, z}), u, z});
  EXPECT_EQ(m.text_after_passes(y),
            "graph \ninput %x: f32[1, 2, 4, 4]\n"
            "%mul: f32[1, 2, 4, 4] = Swish(%x) codes_in=[0.5, 3] codes_out=[0.25, 3] gate_scale=0.004 "
            "gate_zero=0\noutput y = %mul\n");
}

TEST(QuantizedPasses, CodesThatOnlyTheirReadersRoundToAreTheirs) {
  for (const bool read_as_floats : {false, true}) {
    Made m;
    const ValueId s = m.number("s", 0.5f), z = m.code<uint8_t>("z", 3), w_scale = m.number("ws", 0.1f);
    const ValueId factors = m.graph.add_constant("f", Constant(Tensor::from<float>({1, 2, 1, 1}, {1, 2})));
    const ValueId y = m.add("Mul", "y", {m.input(), factors});
    const ValueId yd = m.add("DequantizeLinear", "yd", {m.add("QuantizeLinear", "yq", {y, s, z}), s, z});
    const ValueId conv = m.add("Conv", "c", {yd, m.add("DequantizeLinear", "wd", {m.weights("w"), w_scale})});
    if (read_as_floats) m.graph.add_output(m.add("Softmax", "soft", {yd}), "soft");
    EXPECT_EQ(m.text_after_passes(conv).find("Identity") != std::string::npos, read_as_floats);
  }
}

TEST(QuantizedPasses, TheActivationOfALinearLayerOfCodesIsItsOwn) {
  Made m;
  const ValueId s = m.number("s", 0.5f), z = m.code<uint8_t>("z", 3), t = m.number("t", 0.25f);
  const ValueId x = m.add("DequantizeLinear", "xd", {m.add("QuantizeLinear", "xq", {m.input(), s, z}), s, z});
  const ValueId codes = m.graph.add_constant("w", Constant(Tensor::from<int8_t>({4, 1}, {1, -2, 3, 127})));
  const ValueId w = m.add("DequantizeLinear", "wd", {codes, m.number("ws", 0.1f)});
  const ValueId gelu = m.add("Gelu", "gelu", {m.add("MatMul", "product", {x, w})});
  const ValueId y = m.add("DequantizeLinear", "yd", {m.add("QuantizeLinear", "yq", {gelu, t, z}), t, z});
  EXPECT_EQ(m.text_after_passes(m.add("Softmax", "soft", {y})),
            "graph \ninput %x: f32[1, 2, 4, 4]\nconstant %wd.codes: f32[1, 4] as int8 per-tensor f32-scales\n"
            "%gelu: f32[1, 2, 4, 1] = Gemm(%x, %wd.codes) activation=\"gelu\" codes_in=[0.5, 3] "
            "codes_out=[0.25, 3] transB=1\n%soft: f32[1, 2, 4, 1] = Softmax(%gelu)\noutput y = %soft\n");
}

TEST(QuantizedPasses, LinearProductsAndMovesOfCodesTakeTheSameForm) {
  Made m;
  const ValueId s = m.number("s", 0.5f), z = m.code<int8_t>("z", -5), w_zero = m.code<int8_t>("wz", 0);
  const ValueId bias = m.graph.add_constant("b", Constant(Tensor::from<int32_t>({2}, {10, -20})));
  const ValueId x = m.add("QuantizeLinear", "xq", {m.input(), s, z});
  const ValueId conv = m.add("QLinearConv", "conv", {x, s, z, m.weights("w"), s, w_zero, s, z, bias});
  const ValueId pool = m.add("MaxPool", "pool", {conv}, {{"kernel_shape", std::vector<int64_t>{2, 2}}});
  EXPECT_EQ(m.text_after_passes(m.add("DequantizeLinear", "yd", {pool, s, z})),
            "graph \ninput %x: f32[1, 2, 4, 4]\nconstant %conv/bias: f32[2]\n"
            "constant %conv/w.codes: f32[2, 2, 1, 1] as int8 per-tensor f32-scales\n"
            "%conv/sum: f32[1, 2, 4, 4] = Conv(%x, %conv/w.codes, %conv/bias) codes_in=[0.5, 123] "
            "codes_out=[0.5, 123]\n"
            "%pool/numbers: f32[1, 2, 3, 3] = MaxPool(%conv/sum) codes_in=[0.5, 123] codes_out=[0.5, 123] "
            "kernel_shape=[2, 2]\n"
            "output y = %pool/numbers\n");
}

TEST(QuantizedPasses, QuantizedWeightsOfProductsAreTurned) {
  const Shape shape{6, 5};
  std::vector<float> numbers;
  for (int i = 0; i < 30; ++i) numbers.push_back(static_cast<float>(i * 7 % 31) - 11.5f);
  for (const char* format : {"int8", "int4", "int3"})
    for (bool symmetric : {true, false})
      for (const Granularity& granularity : {Granularity::per_axis(1), Granularity::per_tensor()}) {
        Made m;
        const ValueId w = m.graph.add_constant("w", Constant(Tensor::from<float>(shape, numbers)));
        m.graph.value(w).constant->set_encoding({find_number_format(format), granularity, symmetric});
        const Tensor before = m.graph.value(w).constant->load_encoded("w")->decode();
        const ValueId x = m.graph.add_input("x", {DType::f32, {2, 3, 6}});
        m.graph.add_output(m.add("MatMul", "y", {x, w}), "y");
        EXPECT_EQ(linear_to_gemm(m.graph), 1);
        const Node& gemm = m.graph.nodes().front();
        EXPECT_EQ(gemm.schema->name, "Gemm");
        const Tensor after = m.graph.value(gemm.inputs[1]).constant->load_encoded("w")->decode();
        ASSERT_EQ(after.shape(), (Shape{5, 6}));
        for (size_t i = 0; i < 6; ++i)
          for (size_t o = 0; o < 5; ++o)
            EXPECT_EQ(after.span<float>()[o * 6 + i], before.span<float>()[i * 5 + o])
                << m.graph.value(w).constant->encoding()->str();
        verify(m.graph);
      }
}

TEST(QuantizedPasses, IndicesOfAPoolAreNoCodes) {
  for (const bool floating : {false, true}) {
    Made m;
    const ValueId s = m.number("s", 0.5f), z = m.code<uint8_t>("z", 3);
    ValueId x = m.add("QuantizeLinear", "xq", {m.input(), s, z});
    if (floating) x = m.add("DequantizeLinear", "xd", {x, s, z});
    const auto pool =
        m.graph.add_node(*find_op("MaxPool"), "pool", {x}, {{"kernel_shape", std::vector<int64_t>{2, 2}}}, 2);
    m.graph.add_output(pool[1], "places");
    const std::string text = m.text_after_passes(pool[0]);
    EXPECT_NE(text.find("%pool.1: i64[1, 2, 3, 3] = MaxPool(%x"), std::string::npos) << text;
    EXPECT_EQ(text.find("codes_out"), std::string::npos) << text;
  }
}

TEST(QuantizedPasses, WhatHasNoIntegerFormStaysAsItIs) {
  Made m;  // weights around another zero point; a scale that is computed
  const ValueId s = m.number("s", 0.5f), z = m.code<uint8_t>("z", 3), w_zero = m.code<int8_t>("wz", 7);
  const ValueId x = m.add("DequantizeLinear", "xd", {m.add("QuantizeLinear", "xq", {m.input(), s, z}), s, z});
  const ValueId w = m.add("DequantizeLinear", "wd", {m.weights("w"), s, w_zero});
  const ValueId scale = m.graph.add_input("scale", {DType::f32, {}});
  const ValueId y = m.add("QuantizeLinear", "yq", {m.add("Conv", "conv", {x, w}), scale, z});
  const std::string text = m.text_after_passes(m.add("DequantizeLinear", "yd", {y, scale, z}));
  EXPECT_NE(text.find("%conv: f32[1, 2, 4, 4] = Conv(%xd, %wd)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("QuantizeLinear(%conv, %scale, %z)"), std::string::npos) << text;
}

TEST(QuantizedPasses, APadByTheCode0IsNoPadByTheNumber0) {
  for (const uint8_t zero : {0, 3})
    for (const bool spelled_out : {false, true}) {
      Made m;
      const ValueId s = m.number("s", 0.5f), z = m.code<uint8_t>("z", zero);
      const ValueId pads =
          m.graph.add_constant("pads", Constant(Tensor::from<int64_t>({8}, {0, 0, 1, 1, 0, 0, 1, 1})));
      std::vector<ValueId> inputs = {m.add("QuantizeLinear", "xq", {m.input(), s, z}), pads};
      if (spelled_out) inputs.push_back(m.code<uint8_t>("fill", 0));
      m.graph.add_output(m.add("DequantizeLinear", "yd", {m.add("Pad", "pad", inputs), s, z}), "y");
      const auto lift = std::ranges::find(standard_passes(), "lift_moves", &Pass::name);
      EXPECT_EQ(lift->run(m.graph), zero == 0 || spelled_out ? 1 : 0);
    }
}

}  // namespace
}  // namespace halftone
