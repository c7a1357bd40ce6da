#include "formats/onnx/import_onnx.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/onnx/test_onnx.h"
#include "formats/test_folder.h"

namespace halftone {
namespace {

using T = TestOnnx;

Graph import(const TestOnnx& model, const OnnxImportOptions& options = {}) {
  const TestFolder folder;
  folder.write("model.onnx", model.bytes());
  return import_onnx(folder / "model.onnx", options);
}

/// What the import says of a model that it refuses, without the path.
std::string complaint(const std::string& bytes) {
  const TestFolder folder;
  folder.write("model.onnx", bytes);
  try {
    import_onnx(folder / "model.onnx");
  } catch (const Error& error) {
    const std::string text = error.what(), path = (folder / "model.onnx").string();
    EXPECT_EQ(text.compare(0, path.size(), path), 0) << text;
    return text.substr(path.size() + 2);
  }
  return "";
}
std::string complaint(const TestOnnx& model) {
  return complaint(model.bytes());
}

TestOnnx relu_model() {
  TestOnnx model;
  model.inputs = {T::value("x", {T::dim("N"), T::dim(3)})};
  model.outputs = {T::value("y", {T::dim("N"), T::dim(3)})};
  model.nodes = {T::node("Relu", {"x"}, {"y"})};
  return model;
}

TEST(OnnxImport, KeepsOpenDimensionsOrFixesThem) {
  EXPECT_EQ(
      graph_text(import(relu_model())),
      "graph test\nsymbol N 0..2147483647\ninput %x: f32[N, 3]\n%y: f32[N, 3] = Relu(%x)\noutput y = %y\n");
  OnnxImportOptions options;
  options.sizes["N"] = 2;
  EXPECT_EQ(graph_text(import(relu_model(), options)),
            "graph test\ninput %x: f32[2, 3]\n%y: f32[2, 3] = Relu(%x)\noutput y = %y\n");
  options.sizes["M"] = 2;
  EXPECT_THROW(import(relu_model(), options), UsageError);
  TestOnnx minus_one = relu_model();
  minus_one.inputs = {T::value("x", {T::dim(-1), T::dim(3)})};
  EXPECT_NE(graph_text(import(minus_one)).find("symbol x.0 "), std::string::npos);
}

TEST(OnnxImport, SortsNodesAndFoldsShapes) {
  TestOnnx model;
  model.inputs = {T::value("x", {T::dim(2), T::dim(3), T::dim(4)})};
  model.outputs = {T::value("y", {T::dim(2), T::dim(12)})};
  model.initializers = {T::ints("zero", {0}), T::ints("rest", {-1})};
  model.nodes = {T::node("Reshape", {"x", "shape"}, {"y"}),
                 T::node("Concat", {"batch", "rest"}, {"shape"}, {T::attribute("axis", int64_t{0})}),
                 T::node("Gather", {"sizes", "zero"}, {"batch"}), T::node("Shape", {"x"}, {"sizes"})};
  const Graph graph = import(model);
  ASSERT_EQ(graph.nodes().size(), 1u);
  EXPECT_EQ(graph.nodes()[0].schema->name, "Reshape");
}

TEST(OnnxImport, BringsOlderOperatorSetsUpToDate) {
  TestOnnx model;
  model.version = 10;
  model.inputs = {T::value("x", {T::dim(2), T::dim(3), T::dim(4)})};
  model.outputs = {T::value("y", {T::dim(2), T::dim(3), T::dim(4)}), T::value("z", {T::dim(3), T::dim(4)})};
  model.nodes = {T::node("Softmax", {"x"}, {"y"}),
                 T::node("Slice", {"x"}, {"one"},
                         {T::attribute("starts", std::vector<int64_t>{1}),
                          T::attribute("ends", std::vector<int64_t>{2})}),
                 T::node("Squeeze", {"one"}, {"z"}, {T::attribute("axes", std::vector<int64_t>{0})})};
  model.version = 9;
  const std::string text = graph_text(import(model));
  EXPECT_NE(text.find("f32[2, 12] = Flatten(%x) axis=1"), std::string::npos) << text;
  EXPECT_NE(text.find("= Softmax(%y.Softmax.Flatten) axis=1"), std::string::npos) << text;
  EXPECT_NE(text.find("%one: f32[1, 3, 4] = Slice(%x, %one.Slice.starts, %one.Slice.ends)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("%z: f32[3, 4] = Squeeze(%one, %z.Squeeze.axes)"), std::string::npos) << text;
}

TEST(OnnxImport, InitialisersMayBeInputsAndOutputs) {
  TestOnnx model = relu_model();
  model.inputs.push_back(T::value("w", {T::dim(2)}));
  model.initializers = {T::tensor<float>("w", {2}, {1, 2}, T::kFloat)};
  model.outputs.push_back(T::value("w", {T::dim(2)}));
  model.outputs.push_back(T::value("x", {T::dim("N"), T::dim(3)}));
  const Graph graph = import(model);
  EXPECT_EQ(graph.inputs().size(), 1u);
  EXPECT_EQ(graph.output_names(), (std::vector<std::string>{"y", "w", "x"}));
  EXPECT_TRUE(graph.value(graph.outputs()[1]).constant);
}

TEST(OnnxImport, UnfoldsLocalFunctions) {
  TestOnnx model = relu_model();
  model.functions = {T::function("Softly", "mine", {"a"}, {"b"},
                                 {T::node("Relu", {"a"}, {"inside"}),
                                  T::node("Softmax", {"inside"}, {"b"}, {T::reference("axis", "along")})})};
  model.nodes = {T::node("Softly", {"x"}, {"y"}, {T::attribute("along", int64_t{0})}, "mine")};
  const std::string text = graph_text(import(model));
  EXPECT_NE(text.find("%Softly.0.inside: f32[N, 3] = Relu(%x)"), std::string::npos) << text;
  EXPECT_NE(text.find("%y: f32[N, 3] = Softmax(%Softly.0.inside) axis=0"), std::string::npos) << text;

  model.functions = {
      T::function("Softly", "mine", {"a"}, {"b"}, {T::node("Softly", {"a"}, {"b"}, {}, "mine")})};
  EXPECT_EQ(complaint(model), "function Softly calls itself, or calls are more than 32 deep");

  // Each calls the next a hundred times; the last holds nothing.
  model.functions = {T::function("f10", "mine", {"a"}, {"b"}, {})};
  for (int i = 0; i < 10; ++i) {
    TestOnnx::Messages calls;
    for (int k = 0; k < 100; ++k)
      calls.push_back(T::node(fmt::format("f{}", i + 1), {"a"}, {fmt::format("t{}", k)}, {}, "mine"));
    model.functions.push_back(T::function(fmt::format("f{}", i), "mine", {"a"}, {"b"}, calls));
  }
  model.nodes = {T::node("f0", {"x"}, {"y"}, {}, "mine")};
  EXPECT_EQ(complaint(model), "the model's functions unfold to more than 1000000 calls");
}

TEST(OnnxImport, NamesOfSamplingAreThoseOfToday) {
  TestOnnx model;
  model.version = 16;
  model.inputs = {T::value("x", {T::dim(1), T::dim(2), T::dim(4), T::dim(4)}),
                  T::value("grid", {T::dim(1), T::dim(3), T::dim(3), T::dim(2)})};
  model.outputs = {T::value("y", {T::dim(1), T::dim(2), T::dim(3), T::dim(3)})};
  model.nodes = {T::node("GridSample", {"x", "grid"}, {"y"})};
  EXPECT_NE(graph_text(import(model)).find("= GridSample(%x, %grid) mode=\"linear\""), std::string::npos)
      << graph_text(import(model));
}

TEST(OnnxImport, BringsGroupsUpToDate) {
  TestOnnx model;
  model.version = 18;
  model.inputs = {T::value("x", {T::dim(1), T::dim(6), T::dim(4)})};
  model.outputs = {T::value("y", {T::dim(1), T::dim(6), T::dim(4)})};
  model.initializers = {T::tensor<float>("s", {2}, {1, 2}, T::kFloat),
                        T::tensor<float>("b", {2}, {3, 4}, T::kFloat)};
  model.nodes = {
      T::node("GroupNormalization", {"x", "s", "b"}, {"y"}, {T::attribute("num_groups", int64_t{2})})};
  EXPECT_NE(graph_text(import(model)).find("= GroupNormalization(%x,"), std::string::npos);
  model.nodes = {
      T::node("GroupNormalization", {"", "s", "b"}, {"y"}, {T::attribute("num_groups", int64_t{2})})};
  EXPECT_NE(complaint(model).find("\"X\" of GroupNormalization is missing"), std::string::npos)
      << complaint(model);
}

TEST(OnnxImport, ReadsExternalDataInItsFolderOnly) {
  const TestFolder folder;
  const std::vector<float> numbers{1, 2, 3};
  folder.write("weights.bin", std::string_view(reinterpret_cast<const char*>(numbers.data()), 12));
  const auto import_with = [&](const std::string& tensor) {
    TestOnnx model;
    model.initializers = {tensor};
    model.outputs = {T::value("w", {T::dim(2)})};
    folder.write("model.onnx", model.bytes());
    const Graph graph = import_onnx(folder / "model.onnx");
    const Tensor loaded = graph.value(graph.outputs()[0]).constant->load();
    return std::vector<float>(loaded.span<float>().begin(), loaded.span<float>().end());
  };
  EXPECT_EQ(import_with(T::external("w", {2}, "weights.bin", "4", "8")), (std::vector<float>{2, 3}));
  EXPECT_EQ(import_with(T::external("w", {2}, "./weights.bin", "")), (std::vector<float>{1, 2}));
  EXPECT_THROW(import_with(T::external("w", {2}, "weights.bin", "8")), InputError);
  EXPECT_THROW(import_with(T::external("w", {2}, "weights.bin", "18446744073709551612")), InputError);
  EXPECT_THROW(import_with(T::external("w", {2}, "weights.bin", "0", "12")), InputError);
  EXPECT_THROW(import_with(T::external("w", {2}, "weights.bin", "x")), InputError);
  EXPECT_THROW(import_with(T::external("w", {2}, "missing.bin", "0")), InputError);
  EXPECT_THROW(import_with(T::external("w", {2}, "../weights.bin", "0")), InputError);
  EXPECT_THROW(import_with(T::external("w", {2}, "/etc/passwd", "0")), InputError);
  fs::create_symlink("/etc/passwd", folder / "link.bin");
  EXPECT_THROW(import_with(T::external("w", {2}, "link.bin", "0")), InputError);
}

TEST(OnnxImport, RefusesWhatIsBrokenAndSaysWhere) {
  EXPECT_EQ(complaint(std::string()), "expected an ONNX model, found an empty file");
  EXPECT_EQ(complaint("\x3a\x7f"), "not an ONNX model: byte 2: cut off: 127 bytes wanted, 0 left");
  EXPECT_EQ(complaint(std::string("\x08\x07")), "not an ONNX model: it holds no graph");

  TestOnnx cycle = relu_model();
  cycle.nodes = {T::node("Add", {"x", "b"}, {"a"}), T::node("Relu", {"a"}, {"b"}),
                 T::node("Relu", {"b"}, {"y"})};
  EXPECT_EQ(complaint(cycle), "node \"Add -> a\": it waits for its own output: the graph has a cycle");

  TestOnnx twice = relu_model();
  twice.nodes.push_back(T::node("Exp", {"x"}, {"y"}));
  EXPECT_EQ(complaint(twice), "node \"Exp -> y\": \"y\" is made twice");

  TestOnnx taken = relu_model();
  taken.nodes.push_back(T::node("Exp", {"y"}, {"x"}));
  EXPECT_EQ(complaint(taken), "node \"Relu -> y\": it waits for its own output: the graph has a cycle");
  taken.nodes = {T::node("Relu", {"w"}, {"x"})};
  taken.initializers = {T::tensor<float>("w", {1}, {1}, T::kFloat)};
  EXPECT_EQ(complaint(taken), "value \"x\": the name is taken");

  TestOnnx missing = relu_model();
  missing.nodes = {T::node("Relu", {"nowhere"}, {"y"})};
  EXPECT_EQ(complaint(missing), "node \"Relu -> y\": reads \"nowhere\", which nothing makes");

  TestOnnx contradiction = relu_model();
  contradiction.initializers = {T::tensor<float>("w", {4}, {1, 2, 3, 4}, T::kFloat)};
  contradiction.nodes = {T::node("Add", {"x", "w"}, {"y"})};
  EXPECT_EQ(complaint(contradiction), "y.Add (Add): shapes [s0, 3] and [4] do not broadcast");

  TestOnnx declared = relu_model();
  declared.outputs = {T::value("y", {T::dim("N"), T::dim(4)})};
  EXPECT_EQ(complaint(declared), "output \"y\": declared as f32 [?, 4], but the graph makes f32 [s0, 3]");
  declared.outputs = {T::value("y", {T::dim(4)})};
  EXPECT_EQ(import(declared).value(import(declared).outputs()[0]).type.shape.rank(), 2);
}

TEST(OnnxImport, RefusesAbsurdTensors) {
  TestOnnx model = relu_model();
  model.initializers = {T::tensor<float>("w", {int64_t{1} << 40, int64_t{1} << 40}, {1}, T::kFloat)};
  EXPECT_NE(complaint(model).find("has too many elements"), std::string::npos);
  model.initializers = {T::tensor<float>("w", {3}, {1, 2}, T::kFloat)};
  EXPECT_EQ(complaint(model), "tensor \"w\": f32 [3] takes 12 bytes, found 8");
  model.initializers = {T::tensor<float>("w", {-1}, {1}, T::kFloat)};
  EXPECT_EQ(complaint(model), "tensor \"w\": a dimension of -1");
  model.initializers = {T::tensor<float>("w", {1}, {1}, 17)};
  EXPECT_EQ(complaint(model), "tensor \"w\": elements of float8e4m3fn");
  model.initializers.clear();
  model.inputs = {T::value("x", {T::dim(int64_t{1} << 40), T::dim(int64_t{1} << 40)})};
  EXPECT_NE(complaint(model).find("has too many elements"), std::string::npos);
}

TEST(OnnxImport, NamesOperatorsItDoesNotHandle) {
  TestOnnx model = relu_model();
  model.nodes = {T::node("Loop", {"x"}, {"y"})};
  EXPECT_EQ(complaint(model),
            "node \"Loop -> y\": operator Loop is not handled: graphs inside graphs are not imported");
  model.nodes = {T::node("Relu", {"x"}, {"y"}, {}, "com.example")};
  EXPECT_EQ(complaint(model), "node \"Relu -> y\": operator Relu of com.example is not handled");
  model = relu_model();
  model.version = 99;
  EXPECT_EQ(complaint(model), "operator set 99; 1 to 27 are handled");
  model = relu_model();
  model.nodes = {T::node("Relu", {"x", "x"}, {"y"})};
  EXPECT_EQ(complaint(model), "node \"y.Relu\": Relu takes at most 1 inputs, found 2");
}

}  // namespace
}  // namespace halftone
