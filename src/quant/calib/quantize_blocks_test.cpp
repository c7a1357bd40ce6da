#include "quant/calib/quantize_blocks.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

#include "base/error.h"
#include "quant/calib/activation_store.h"
#include "quant/calib/block_cuts.h"

namespace halftone {
namespace {

/// Three residual blocks of two layers each, over rows of 16 numbers; the last layer has weights of its own.
class Residuals {
 public:
  Graph graph;

  Residuals() {
    graph.name = "residuals";
    const int64_t rows = graph.symbol("rows", 1, 64);
    ValueId x = graph.add_input("x", {DType::f32, {rows, 16}});
    for (int b = 0; b < 3; ++b) {
      const std::string name = "blocks." + std::to_string(b);
      const ValueId up = linear(name + ".up", x, 16, 32);
      const ValueId down = linear(name + ".down", node("Swish", name + ".act", {up}), 32, 16);
      x = node("Add", name + ".sum", {x, down});
    }
    graph.add_output(linear("head", x, 16, 8), "y");
    verify(graph);
  }

  ValueId node(std::string_view op, std::string name, std::vector<ValueId> inputs,
               Attributes attributes = {}) {
    return graph.add_node(*find_op(op), std::move(name), std::move(inputs), std::move(attributes)).front();
  }

  ValueId linear(const std::string& name, ValueId x, int64_t in, int64_t out) {
    Tensor weight = Tensor::allocate(DType::f32, {out, in});
    std::normal_distribution<float> normal(0, 0.2f);
    for (float& w : weight.mutable_view().span<float>()) w = normal(random_);
    return node("Gemm", name, {x, graph.add_constant(name + ".weight", Constant(std::move(weight)))},
                {{"transB", int64_t{1}}});
  }

 private:
  std::mt19937 random_{1};
};

class Rows final : public CalibrationData {
 public:
  int samples() const override { return 3; }
  std::map<std::string, Tensor> sample(int index) const override {
    Tensor x = Tensor::allocate(DType::f32, {4 + index, 16});
    std::mt19937 random(static_cast<unsigned>(index));
    std::normal_distribution<float> normal;
    for (float& value : x.mutable_view().span<float>()) value = normal(random);
    return {{"x", std::move(x)}};
  }
};

/// Calls a function with each block.
class Probe final : public Algorithm {
 public:
  explicit Probe(std::function<void(CalibrationBlock&)> body) : body_(std::move(body)) {}
  std::string_view name() const override { return "probe"; }
  CalibrationNeeds needs() const override { return {.original_prefix = true, .quantized_prefix = true}; }
  void apply(CalibrationBlock& block, const AlgorithmSettings&) const override { body_(block); }

 private:
  std::function<void(CalibrationBlock&)> body_;
};

struct Harness {
  Residuals model;
  Rows data;
  ThreadPool threads{1};
  QuantizeOptions options;
  Recipe recipe;
  std::vector<QuantTarget> targets;

  Harness() {
    options.data = &data;
    options.threads = &threads;
    recipe = find_recipe("rtn-w4");
    recipe.minimum_elements = 0;
    targets = find_targets(model.graph, recipe).quantized;
  }

  std::vector<LayerNote> run(Graph& graph, std::function<void(CalibrationBlock&)> body) {
    const Probe probe(std::move(body));
    return quantize_blocks(graph, {{&probe, {}}}, targets, options);
  }
};

std::vector<float> run_model(const Graph& graph, const Rows& data, int sample, ThreadPool& threads) {
  CompileOptions options;
  options.as_written = true;
  Session session(compile(graph, options, threads), threads);
  const std::map<std::string, Tensor> inputs = data.sample(sample);
  session.run({{"x", inputs.at("x").view()}});
  const auto y = session.output("y").span<float>();
  return {y.begin(), y.end()};
}

TEST(QuantizeBlocks, CutsAtTheResiduals) {
  Harness harness;
  const auto blocks = cut_blocks(harness.model.graph, harness.data.sample(0));
  ASSERT_EQ(blocks.size(), 4u);
  EXPECT_EQ(blocks[0], (BlockRange{0, 4, "blocks.0"}));
  EXPECT_EQ(blocks[2], (BlockRange{8, 12, "blocks.2"}));
  EXPECT_EQ(blocks[3], (BlockRange{12, 13, "head"}));
}

TEST(QuantizeBlocks, ActivationsAreThoseOfTheWholeModel) {
  Harness harness;
  Graph graph = harness.model.graph;
  std::vector<std::vector<float>> originals, quantized;
  harness.run(graph, [&](CalibrationBlock& block) {
    if (block.name() != "head") return;
    const ValueId out = block.graph.outputs()[0];
    block.run(block.original(), block.inputs(Prefix::original), {&out, 1},
              [&](int, ValueId, const TensorView& y) {
                originals.emplace_back(y.span<float>().begin(), y.span<float>().end());
              });
    Graph trial = block.graph;
    const QuantTarget& target = block.targets()[0];
    trial.value(target.weight).constant->set_encoding(target.encoding);
    block.run(trial, block.inputs(Prefix::quantized), {&out, 1}, [&](int, ValueId, const TensorView& y) {
      quantized.emplace_back(y.span<float>().begin(), y.span<float>().end());
    });
  });
  ASSERT_EQ(originals.size(), 3u);
  for (int sample = 0; sample < 3; ++sample) {
    const auto at = static_cast<size_t>(sample);
    EXPECT_EQ(originals[at], run_model(harness.model.graph, harness.data, sample, harness.threads));
    EXPECT_EQ(quantized[at], run_model(graph, harness.data, sample, harness.threads));
    EXPECT_NE(originals[at], quantized[at]);
  }
}

TEST(QuantizeBlocks, WhatTheChainLeavesIsRoundedToNearest) {
  Harness harness;
  Graph by_blocks = harness.model.graph, at_once = harness.model.graph;
  harness.run(by_blocks, [](CalibrationBlock&) {});
  quantize_graph(at_once, harness.recipe);
  for (const QuantTarget& target : harness.targets) {
    const auto a = by_blocks.value(target.weight).constant->load_encoded("a");
    const auto b = at_once.value(target.weight).constant->load_encoded("b");
    EXPECT_TRUE(std::ranges::equal(a->parts().codes.view().bytes(), b->parts().codes.view().bytes()));
  }
}

TEST(QuantizeBlocks, RecordedValuesFeedThePartBehindThem) {
  Harness harness;
  Graph graph = harness.model.graph;
  int blocks = 0;
  harness.run(graph, [&](CalibrationBlock& block) {
    if (block.targets().size() < 2) return;
    ++blocks;
    const Graph& original = block.original();
    const Node& down = original.nodes()[static_cast<size_t>(block.targets()[1].nodes[0])];
    const ValueId middle = down.inputs[0], out = original.outputs()[0];
    const Activations& inputs = block.inputs(Prefix::original);
    const Activations at_middle = block.record(original, inputs, {&middle, 1});
    const Activations wanted = block.record(original, inputs, {&out, 1});
    // The residual comes from the block's input, which at_middle was recorded from.
    EXPECT_EQ(block.compare(original, at_middle, wanted, {&out, 1}).mse(), 0);

    Graph trial = original;  // a change before `middle` has no effect on what stands behind it
    trial.value(block.targets()[0].weight).constant->set_encoding(block.targets()[0].encoding);
    EXPECT_EQ(block.compare(trial, at_middle, wanted, {&out, 1}).mse(), 0);
    const OutputError error = block.compare(trial, inputs, wanted, {&out, 1});
    EXPECT_GT(error.mse(), 0);
    EXPECT_LT(error.relative(), 0.1);
    EXPECT_EQ(error.elements, (4 + 5 + 6) * 16);
  });
  EXPECT_EQ(blocks, 3);
}

TEST(QuantizeBlocks, NodesThatAnAlgorithmAddsStayInTheModel) {
  Harness harness;
  Graph graph = harness.model.graph;
  harness.run(graph, [&](CalibrationBlock& block) {
    if (block.name() != "blocks.1") return;
    // x -> (x * 2) -> up with halved weights.
    Graph& g = block.graph;
    const ValueId two = g.add_constant("blocks.1.two", Constant(Tensor::from<float>({1}, {2})));
    Node& up = g.nodes()[0];
    Tensor halved = Tensor::allocate(DType::f32, {32, 16});
    const Tensor weight = g.value(up.inputs[1]).constant->load();
    for (size_t i = 0; i < 512; ++i) halved.mutable_view().span<float>()[i] = weight.span<float>()[i] / 2;
    *g.value(up.inputs[1]).constant = Constant(std::move(halved));
    const ValueId x = up.inputs[0];
    const ValueId doubled = g.add_node(*find_op("Mul"), "blocks.1.doubled", {x, two}).front();
    g.nodes()[0].inputs[0] = doubled;
    std::rotate(g.nodes().begin(), g.nodes().end() - 1, g.nodes().end());
  });
  EXPECT_EQ(graph.nodes().size(), harness.model.graph.nodes().size() + 1);
  Graph plain = harness.model.graph;
  quantize_graph(plain, harness.recipe);
  EXPECT_EQ(run_model(graph, harness.data, 1, harness.threads),
            run_model(plain, harness.data, 1, harness.threads));
}

TEST(QuantizeBlocks, ActivationsBeyondTheBudgetGoToAFile) {
  Harness memory, disk;
  disk.options.memory = 100;
  auto sums = [](Harness& harness) {
    std::vector<double> values;
    Graph graph = harness.model.graph;
    harness.run(graph, [&](CalibrationBlock& block) {
      for (int s = 0; s < block.samples(); ++s) {
        const Tensor x = block.inputs(Prefix::quantized).get(s, block.graph.inputs()[0]);
        values.insert(values.end(), x.span<float>().begin(), x.span<float>().end());
      }
    });
    return values;
  };
  EXPECT_EQ(sums(memory), sums(disk));
}

TEST(QuantizeBlocks, OneBlockAlone) {
  Harness harness;
  harness.options.blocks = {1, 2};
  Graph graph = harness.model.graph;
  std::vector<std::string> names;
  harness.run(graph, [&](CalibrationBlock& block) { names.push_back(block.name()); });
  EXPECT_EQ(names, std::vector<std::string>{"blocks.1"});
  EXPECT_FALSE(graph.value(harness.targets[0].weight).constant->encoding());
  EXPECT_TRUE(graph.value(harness.targets[2].weight).constant->encoding());
  harness.options.blocks = {4, 5};
  EXPECT_THROW(harness.run(graph, [](CalibrationBlock&) {}), UsageError);
}

TEST(QuantizeBlocks, NotesNameLayerAndAlgorithm) {
  Harness harness;
  Graph graph = harness.model.graph;
  const std::vector<LayerNote> notes = harness.run(graph, [&](CalibrationBlock& block) {
    if (block.name() == "head") block.fallback(block.targets()[0].nodes[0], "dead");
  });
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].layer, "head");
  EXPECT_EQ(notes[0].algorithm, "probe");
  EXPECT_TRUE(notes[0].fallback);
}

void put(Graph& graph, ValueId constant, size_t index, float value) {
  const Tensor weight = to_f32(graph.value(constant).constant->load());
  Tensor changed = Tensor::from<float>(weight.shape(), weight.span<float>());
  changed.mutable_view().span<float>()[index] = value;
  *graph.value(constant).constant = Constant(std::move(changed));
}

TEST(QuantizeBlocks, NamesAWeightThatIsNotFinite) {
  Harness harness;
  Graph graph = harness.model.graph;
  put(graph, harness.targets[2].weight, 3, INFINITY);
  try {
    harness.run(graph, [](CalibrationBlock&) {});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("blocks.1.up.weight: element 3 of 512 is inf"),
              std::string::npos)
        << error.what();
  }
}

/// Samples of which some are not finite at once, or overflow when a layer multiplies them.
class SpoiltRows final : public CalibrationData {
 public:
  explicit SpoiltRows(std::vector<float> spoil) : spoil_(std::move(spoil)) {}
  int samples() const override { return static_cast<int>(spoil_.size()); }
  std::map<std::string, Tensor> sample(int index) const override {
    std::map<std::string, Tensor> sample = Rows().sample(index % 3);
    if (spoil_[static_cast<size_t>(index)] != 0)
      std::ranges::fill(sample.at("x").mutable_view().span<float>(), spoil_[static_cast<size_t>(index)]);
    return sample;
  }

 private:
  std::vector<float> spoil_;
};

TEST(QuantizeBlocks, SamplesThatAreNotFiniteAreLeftOutAndReported) {
  Harness harness;
  const SpoiltRows spoilt({0, NAN, 0, 3e38f});
  harness.options.data = &spoilt;
  std::vector<int> samples;
  Graph graph = harness.model.graph;
  const std::vector<LayerNote> notes = harness.run(graph, [&](CalibrationBlock& block) {
    samples.push_back(block.samples());
    for (int s = 0; s < block.samples(); ++s)
      for (const float x : block.inputs(Prefix::quantized).get(s, block.graph.inputs()[0]).span<float>())
        EXPECT_TRUE(std::isfinite(x));
  });
  EXPECT_EQ(samples, (std::vector<int>{2, 2, 2, 2}));
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(notes[0].text, "1 of 4 samples left out: its input \"x\" is nan");
  EXPECT_EQ(notes[1].layer, "blocks.0");
  EXPECT_NE(notes[1].text.find("1 of 3 samples left out: \"blocks.0.sum\" of the original model is "),
            std::string::npos)
      << notes[1].text;
  EXPECT_TRUE(notes[0].fallback && notes[1].fallback);
}

TEST(QuantizeBlocks, WithoutAnySampleLayersAreRoundedToNearestAndReported) {
  Harness harness;
  const SpoiltRows spoilt({3e38f, NAN});
  harness.options.data = &spoilt;
  Graph graph = harness.model.graph, plain = harness.model.graph;
  const std::vector<LayerNote> notes =
      harness.run(graph, [](CalibrationBlock&) { ADD_FAILURE() << "no sample is left"; });
  ASSERT_EQ(notes.size(), 2u + 7);
  EXPECT_EQ(notes.back().layer, "head");
  EXPECT_TRUE(notes.back().fallback);
  quantize_graph(plain, harness.recipe);
  const Rows rows;
  EXPECT_EQ(run_model(graph, rows, 0, harness.threads), run_model(plain, rows, 0, harness.threads));
}

}  // namespace
}  // namespace halftone
