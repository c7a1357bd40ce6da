#include "formats/halftone_folder.h"

#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <limits>
#include <sys/resource.h>

#include "formats/encoding_json.h"
#include "formats/graph_json.h"
#include "formats/test_folder.h"
#include "shared_files.h"

namespace halftone {
namespace {

Encoding encoding(const char* format, Granularity granularity, bool symmetric = true) {
  Encoding made;
  made.format = find_number_format(format);
  made.granularity = granularity;
  made.symmetric = symmetric;
  return made;
}

std::vector<Encoding> many_encodings() {
  std::vector<Encoding> all = {
      encoding("int4", Granularity::per_group(32)),      encoding("int3", Granularity::per_group(64), false),
      encoding("int8", Granularity::per_axis(0)),        encoding("int5", Granularity::per_tensor(), false),
      encoding("fp8_e4m3", Granularity::per_axis(0)),    encoding("nf4", Granularity::per_group(64)),
      encoding("quantile3", Granularity::per_group(32)), encoding("nf4", Granularity::per_group(64))};
  all[2].scale_dtype = DType::f32;
  all.back().double_quant_block = 4;
  return all;
}

Tensor wave(const Shape& shape, DType dtype = DType::f32) {
  Tensor tensor = Tensor::allocate(dtype, shape);
  std::vector<float> values(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i) * 0.7f);
  store_floats(values, tensor.mutable_view(), 0);
  return tensor;
}

/// Products one after another, a weight under each encoding, one plain and one bf16.
Graph many_products() {
  Graph graph;
  graph.name = "products";
  const int64_t tokens = graph.symbol("tokens", 1, 64);
  ValueId x = graph.add_input("x", {DType::f32, {tokens, 72}});
  auto multiply = [&](Constant weight, const std::string& name) {
    const ValueId w = graph.add_constant(name + ".weight", std::move(weight));
    x = graph.add_node(*find_op("Gemm"), name, {x, w}, {{"transB", int64_t{1}}}).front();
  };
  int count = 0;
  for (const Encoding& e : many_encodings()) {
    Constant weight(wave({72, 72}));
    weight.set_encoding(e);
    multiply(weight, fmt::format("layer{}", count++));
  }
  multiply(Constant(wave({72, 72})), "plain");
  graph.add_constant("nobody reads this", Constant(wave({3})));
  graph.nodes()[2].use_encodings = {encoding("int8", Granularity::per_token())};
  graph.nodes()[2].use_encodings[0]->timing = Timing::dynamic;
  graph.add_output(x, "y");
  verify(graph);
  return graph;
}

const Provenance kProvenance{"models/tiny", "rtn-w4g32", "halftone test", "2024-01-02T03:04:05Z"};

/// As ONNX leaves them open: a batch of pictures of any size.
TEST(HalftoneFolder, SeveralOpenDimensionsReadBack) {
  const TestFolder folder;
  Graph graph;
  const auto open = [&](const char* name) {
    return graph.symbol(name, 0, std::numeric_limits<int32_t>::max());
  };
  const ValueId x = graph.add_input("x", {DType::f32, {open("batch"), 3, open("height"), open("width")}});
  graph.add_output(graph.add_node(*find_op("Relu"), "y", {x}).front(), "y");
  save_halftone(graph, folder / "out", kProvenance, {}, {});
  EXPECT_EQ(graph_to_json(load_halftone(folder / "out").graph), graph_to_json(graph));
}

TEST(HalftoneFolder, AGraphReadsBackEqual) {
  const TestFolder folder;
  const Graph graph = many_products();
  std::vector<std::string> seen;
  save_halftone(graph, folder / "out", kProvenance, {{"config.json", R"({"model_type":"test"})"}},
                [&](double done, double total, const std::string& name) {
                  EXPECT_LE(done, total);
                  seen.push_back(name);
                });
  EXPECT_EQ(seen.size(), many_encodings().size() + 2);
  ASSERT_TRUE(is_halftone_folder(folder / "out"));

  const HalftoneModel model = load_halftone(folder / "out");
  EXPECT_EQ(model.provenance.recipe, "rtn-w4g32");
  EXPECT_EQ(model.provenance.time, "2024-01-02T03:04:05Z");
  EXPECT_EQ(model.config["model_type"], "test");
  EXPECT_EQ(graph_to_json(model.graph), graph_to_json(graph));
  for (const Value& value : graph.values()) {
    if (!value.constant || value.name == "nobody reads this") continue;
    const auto loaded = std::find_if(model.graph.values().begin(), model.graph.values().end(),
                                     [&](const Value& other) { return other.name == value.name; });
    ASSERT_NE(loaded, model.graph.values().end());
    const Tensor want = value.constant->encoding() ? value.constant->load_encoded(value.name)->decode()
                                                   : value.constant->load();
    const Tensor found = loaded->constant->load();
    ASSERT_EQ(0, std::memcmp(want.view().data, found.view().data, want.size_bytes())) << value.name;
    if (!value.constant->encoding()) continue;
    EXPECT_EQ(loaded->constant->encoding(), value.constant->encoding());
    EXPECT_EQ(loaded->constant->load_encoded("w")->stored_bytes(),
              value.constant->load_encoded("w")->stored_bytes());
  }
}

TEST(HalftoneFolder, SavingALoadedGraphGivesTheSameFiles) {
  const TestFolder folder;
  save_halftone(many_products(), folder / "first", kProvenance, {});
  save_halftone(load_halftone(folder / "first").graph, folder / "second", kProvenance, {});
  for (const char* name : {"halftone.json", "model.safetensors"})
    EXPECT_EQ(read_text(folder / "first" / name), read_text(folder / "second" / name)) << name;
}

TEST(HalftoneFolder, ASavedFolderMayBeReplacedAndOthersNot) {
  const TestFolder folder;
  save_halftone(many_products(), folder / "out", kProvenance, {});
  save_halftone(many_products(), folder / "out", kProvenance, {});
  EXPECT_NO_THROW(load_halftone(folder / "out"));
  fs::create_directories(folder / "precious");
  folder.write("precious/thesis.txt", "years");
  EXPECT_THROW(save_halftone(many_products(), folder / "precious", kProvenance, {}), InputError);
  EXPECT_EQ(read_text(folder / "precious/thesis.txt"), "years");
}

TEST(GraphJson, LogitsOfALongBatchAreNotTooLarge) {
  const Json json = parse_json(R"({"name":"g","symbols":[{"name":"tokens","min":0,"max":16777216}],
    "inputs":[{"name":"logits","dtype":"f32","shape":["tokens",262144]}, {"name":"any","dtype":"f32","shape":[null]}],
    "outputs":[{"name":"y","value":"logits"}]})",
                               "text");
  const Graph graph = graph_from_json(json, "text", {});
  EXPECT_EQ(Json(graph_to_json(graph))["inputs"], json["inputs"]);
}

TEST(HalftoneFolder, AFullDiskLeavesNothingBehind) {
  const TestFolder folder;
  auto* old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ::getrlimit(RLIMIT_FSIZE, &old_limit);
  for (rlim_t most : {rlim_t{100}, rlim_t{20000}}) {
    const rlimit limit{most, old_limit.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::string error;
    try {
      save_halftone(many_products(), folder / "out", kProvenance, {});
    } catch (const ResourceError& e) {
      error = e.what();
    }
    ::setrlimit(RLIMIT_FSIZE, &old_limit);
    EXPECT_NE(error.find("model.safetensors: cannot write"), std::string::npos) << error;
    EXPECT_TRUE(fs::is_empty(folder.path()));
  }
  std::signal(SIGXFSZ, old_handler);
}

TEST(HalftoneFolder, CompanionsOfAGgufHoldItsConfigurationAndVocabulary) {
  const TestFolder folder;
  for (const CompanionFile& file : companion_files(source_path("src/formats/testdata/gguf_llama.gguf")))
    folder.write(file.name, file.content);
  EXPECT_TRUE(fs::exists(folder / "config.json"));
  EXPECT_TRUE(fs::exists(folder / "tokenizer.gguf"));
  EXPECT_EQ(companion_files(folder.path()).size(), 3u);
}

/// halftone.json of a saved folder with one piece of its text replaced.
class Tampered : public testing::Test {
 protected:
  void SetUp() override {
    save_halftone(many_products(), folder_ / "m", kProvenance, {});
    text_ = read_text(folder_ / "m/halftone.json");
  }
  std::string error(std::string_view from, std::string_view to) {
    std::string text = text_;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
    folder_.write("m/halftone.json", text);
    return load_error();
  }
  std::string load_error() {
    try {
      load_halftone(folder_ / "m");
    } catch (const Error& e) {
      const std::string what = e.what();
      const std::string place = (folder_ / "m/halftone.json: ").string();
      return what.starts_with(place) ? what.substr(place.size()) : what;
    }
    return "no error";
  }
  TestFolder folder_;
  std::string text_;
};

TEST_F(Tampered, EachLieIsNamed) {
  EXPECT_EQ(error("\"format\": \"halftone\"", "\"format\": \"other\""),
            "key \"format\": expected \"halftone\"");
  EXPECT_EQ(error("\"version\": 1", "\"version\": 2"),
            "version 2 of the format; this program reads version 1");
  EXPECT_EQ(error("\"op\":\"Gemm\"", "\"op\":\"Germ\""), "node \"layer0\": unknown operator \"Germ\"");
  EXPECT_EQ(error("\"inputs\":[\"x\",", "\"inputs\":[\"plain\","),
            "node \"layer0\": reads \"plain\" before it is made");
  EXPECT_EQ(error("\"inputs\":[\"x\",\"layer0.weight\"]", "\"inputs\":[\"x\"]"),
            "node \"layer0\": input \"B\" of Gemm is missing");
  EXPECT_EQ(error("\"outputs\":[\"layer1\"]", "\"outputs\":[\"layer0\"]"), "two values are named \"layer0\"");
  EXPECT_EQ(error("\"outputs\":[\"layer1\"]", "\"outputs\":[]"),
            "node \"layer1\": Gemm makes 1 values, found 0 names");
  EXPECT_EQ(error("{\"transB\":{\"int\":1}}", "{\"transB\":{\"int\":1.5}}"),
            "node \"layer0\": attribute \"transB\": expected an integer, found 1.5");
  EXPECT_NE(error("{\"transB\":{\"int\":1}}", "{\"transB\":{\"string\":\"1\"}}")
                .find("attribute \"transB\" has the wrong type"),
            std::string::npos);
  EXPECT_EQ(error("\"format\":\"int4\"", "\"format\":\"int44\""),
            "constant \"layer0.weight\": encoding: key \"format\": unknown number format \"int44\"");
  EXPECT_NE(error("\"format\":\"int4\"", "\"format\":\"int8\"")
                .find("tensor \"layer0.weight.codes\": expected shape [72, 72], found [72, 36]"),
            std::string::npos);
  EXPECT_NE(error("\"group\":32", "\"group\":16")
                .find("tensor \"layer0.weight.scales\": expected shape [72, 5], found [72, 3]"),
            std::string::npos);
  EXPECT_NE(error("\"scale_dtype\":\"f16\"", "\"scale_dtype\":\"bf16\"").find("expected bf16, found f16"),
            std::string::npos);
  EXPECT_NE(error("\"max\":64", "\"max\":99999999999").find("expected a range within 0 and 2^31"),
            std::string::npos);
  EXPECT_NE(error("[\"tokens\",72]", "[1099511627776,1099511627776]").find("has more than 2^56 elements"),
            std::string::npos);
  EXPECT_NE(error("[\"tokens\",72]", "[\"token\",72]").find("names of symbols, found \"token\""),
            std::string::npos);
  EXPECT_NE(error("[\"tokens\",72]", "[\"tokens\",71]").find("layer0"), std::string::npos);
  EXPECT_NE(
      error("\"use_encodings\":{\"0\"", "\"use_encodings\":{\"1\"").find("input 1 is not an activation"),
      std::string::npos);
  EXPECT_EQ(error("\"value\":\"plain\"", "\"value\":\"gone\""), "outputs: reads \"gone\" before it is made");
  EXPECT_EQ(error("\"name\":\"x\"", "\"name\":\"\""), "a value without a name");
}

TEST_F(Tampered, EveryTruncationIsAnInputError) {
  for (size_t size = 0; size + 3 < text_.size(); size += 61) {
    folder_.write("m/halftone.json", std::string_view(text_).substr(0, size));
    EXPECT_NE(load_error().find("not valid JSON"), std::string::npos) << size;
  }
}

TEST_F(Tampered, ScalesThatAreNotNumbersAreAnErrorWhenLoaded) {
  std::string file = read_text(folder_ / "m/model.safetensors");
  for (size_t i = 8 + *reinterpret_cast<const uint64_t*>(file.data()); i < file.size(); ++i) file[i] = '\xff';
  folder_.write("m/model.safetensors", file);
  const HalftoneModel model = load_halftone(folder_ / "m");
  const Constant& weight = *model.graph.value(model.graph.nodes()[0].inputs[1]).constant;
  EXPECT_THROW(weight.load_encoded("w"), InputError);
}

}  // namespace
}  // namespace halftone
