#include "tune/work_folder.h"

#include <fstream>
#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/test_folder.h"

namespace halftone {
namespace {

FinishedBlock small_block() {
  FinishedBlock block;
  block.graph.name = "block";
  const int64_t rows = block.graph.symbol("rows", 1, 8);
  const ValueId x = block.graph.add_input("x", {DType::f32, {rows, 4}});
  Constant weight(Tensor::from<float>({2, 4}, {1, 2, 3, 4, -1, -2, -3, -4}));
  Encoding encoding;
  encoding.format = find_number_format("int4");
  encoding.granularity = Granularity::per_axis(0);
  weight.set_encoding(encoding);
  const ValueId w = block.graph.add_constant("w", weight);
  block.graph.add_output(block.graph.add_node(*find_op("Gemm"), "y", {x, w}, {{"transB", int64_t{1}}})[0],
                         "y");
  block.notes = {{"y", "gptq", "damping 0.02", true}};
  return block;
}

TEST(WorkFolder, GivesBackWhatWasSaved) {
  const TestFolder folder;
  const Json key = {{"recipe", "gptq-w4"}};
  {
    WorkFolder work(folder / "w", key, false);
    EXPECT_FALSE(work.load(3, "layer"));
    work.save(3, "layer", small_block());
  }
  WorkFolder work(folder / "w", key, true);
  const auto block = work.load(3, "layer");
  ASSERT_TRUE(block);
  EXPECT_EQ(graph_text(block->graph), graph_text(small_block().graph));
  ASSERT_EQ(block->notes.size(), 1u);
  EXPECT_EQ(block->notes[0].text, "damping 0.02");
  EXPECT_TRUE(block->notes[0].fallback);
  EXPECT_EQ(work.blocks_found(), 1);
  work.remove();
  EXPECT_FALSE(fs::exists(folder / "w"));
}

TEST(WorkFolder, AChangedBlockIsDoneAgain) {
  const TestFolder folder;
  WorkFolder work(folder / "w", {{"recipe", "a"}}, false);
  work.save(0, "layer", small_block());
  std::ofstream(folder / "w/block-0000/model.safetensors", std::ios::app) << "x";
  EXPECT_FALSE(work.load(0, "layer"));
  ASSERT_EQ(work.warnings().size(), 1u);
  EXPECT_NE(work.warnings()[0].find("not as it was written"), std::string::npos);
}

TEST(WorkFolder, KnowsAModelByWhatIsInItsFiles) {
  const TestFolder folder;
  fs::create_directories(folder / "model");
  folder.write("model/weights", "some numbers");
  const auto time = fs::last_write_time(folder / "model/weights");
  const Json before = model_fingerprint(folder / "model");
  folder.write("model/weights", "some numberz");
  fs::last_write_time(folder / "model/weights", time);
  EXPECT_NE(model_fingerprint(folder / "model"), before);
  folder.write("model/weights", "some numbers");
  fs::last_write_time(folder / "model/weights", time + std::chrono::hours(1));
  EXPECT_EQ(model_fingerprint(folder / "model"), before);
}

TEST(WorkFolder, IsNotGoneOnWithForAnotherRecipeAndEmptiedWithoutResume) {
  const TestFolder folder;
  WorkFolder(folder / "w", {{"recipe", "a"}}, false).save(0, "layer", small_block());
  EXPECT_THROW(WorkFolder(folder / "w", {{"recipe", "b"}}, true), UsageError);
  EXPECT_FALSE(WorkFolder(folder / "w", {{"recipe", "a"}}, false).load(0, "layer"));
  fs::create_directories(folder / "other");
  folder.write("other/thesis.txt", "years of work");
  EXPECT_THROW(WorkFolder(folder / "other", {}, false), InputError);
}

}  // namespace
}  // namespace halftone
