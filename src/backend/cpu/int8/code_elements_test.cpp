#include <cmath>

#include "exact_kernels.h"
#include "ops/code_sum.h"
#include "ops/fused_activation.h"
#include "ops/requantizer.h"

namespace halftone::cpu {
namespace {

using Order = Storage::Order;
const CodeScale kA{0.021f, 130}, kB{0.008f, 7};

TEST(CodeElements, IdentityBetweenStorages) {
  const std::vector<Storage> storages = {{Order::planar, {}}, {Order::channels_last, {}},
                                         {Order::planar, kA}, {Order::channels_last, kA},
                                         {Order::planar, kB}, {Order::channels_last, kB}};
  for (const Shape& shape : {Shape{1, 3, 19, 21}, Shape{2, 70, 3, 5}, Shape{1, 1, 600}})
    for (const Storage& from : storages)
      for (const Storage& to : storages) {
        if (!from.codes && !to.codes) continue;
        OpRun run(*find_op("Identity"));
        Tensor x = random_tensor(shape, 1, 2);
        x.mutable_view().span<float>()[1] = NAN;
        x.mutable_view().span<float>()[2] = INFINITY;
        run.stored(x, from).store_outputs({to});
        EXPECT_EQ(expect_exact(run, "identity_codes", from.str() + " to " + to.str()), int8_isas());
      }
}

/// Pieces of a picture are turned by several threads, each next to the other's.
TEST(CodeElements, CodesOfFewChannelsEndWithTheLastPlace) {
  ThreadPool one(1);
  for (int64_t channels = 1; channels <= 4; ++channels)
    for (int64_t width : {1, 2, 9, 64}) {
      OpRun run(*find_op("Identity"));
      run.stored(random_tensor({1, channels, 7, width}, 1), {Order::planar, {}});
      run.store_outputs({{Order::channels_last, kA}});
      for (const Kernel* kernel : cpu_kernels("Identity")) {
        if (!kernel->name.starts_with("identity_codes")) continue;
        const auto elements = static_cast<size_t>(channels * 7 * width);
        std::vector<std::byte> memory(elements + 16, std::byte{0xee});
        const MutableTensorView view{DType::u8, {1, channels, 7, width}, memory.data()};
        kernel->prepare(run.site(), one)->run({run.site(), run.operands(), {&view, 1}, {}, one});
        EXPECT_EQ(std::vector<std::byte>(memory.begin() + static_cast<ptrdiff_t>(elements), memory.end()),
                  std::vector<std::byte>(16, std::byte{0xee}))
            << kernel->name << ", " << channels << " channels of width " << width;
      }
    }
}

TEST(CodeElements, AddIsExact) {
  for (const CodeScale& b : {kB, kA, CodeScale{0.00002f, 3}, CodeScale{3.0f, 255}}) {
    OpRun run(*find_op("Add"));
    run.stored(random_tensor({1, 37, 7, 7}, 1), {Order::channels_last, kA});
    run.stored(random_tensor({1, 37, 7, 7}, 2), {Order::channels_last, b});
    run.store_outputs({{Order::channels_last, fit_codes(-2, 3)}});
    EXPECT_EQ(expect_exact(run, "add_codes", "Add"), int8_isas());
  }
}

TEST(CodeElements, MulIsExact) {
  for (const CodeScale& b : {kB, kA, CodeScale{0.00002f, 3}, CodeScale{3.0f, 255}}) {
    OpRun run(*find_op("Mul"));
    run.stored(random_tensor({1, 37, 7, 7}, 1), {Order::channels_last, kA});
    run.stored(random_tensor({1, 37, 7, 7}, 2), {Order::channels_last, b});
    run.store_outputs({{Order::channels_last, fit_codes(-2, 3)}});
    EXPECT_EQ(expect_exact(run, "mul_codes", "Mul"), int8_isas());
  }
}

TEST(CodeElements, AddIsWithinHalfAStepOfTheRealSum) {
  const CodeScale sum = fit_codes(-4, 4);
  const CodeSum add(kA, kB, sum);
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; b += 3) {
      const auto x = static_cast<uint8_t>(a), y = static_cast<uint8_t>(b);
      const double real =
          (double{decode_activation(x, kA)} + double{decode_activation(y, kB)}) / sum.scale + sum.zero;
      ASSERT_NEAR(add(x, y), std::clamp(real, 0.0, 255.0), 0.53) << a << " " << b;
    }
}

TEST(CodeElements, MapsAreTablesOfTheReference) {
  for (const char* op : {"Relu", "Sigmoid", "Tanh", "Swish", "Gelu", "Erf"}) {
    OpRun run(*find_op(op));
    run.stored(random_tensor({1, 33, 5, 3}, 1, 2), {Order::channels_last, kA});
    run.store_outputs({{Order::channels_last, kB}});
    EXPECT_EQ(expect_exact(run, "", op), int8_isas()) << op;
  }
}

TEST(CodeElements, PoolsAreExact) {
  const Attributes window = {{"kernel_shape", std::vector<int64_t>{3, 2}},
                             {"strides", std::vector<int64_t>{2, 1}},
                             {"pads", std::vector<int64_t>{1, 0, 1, 1}},
                             {"count_include_pad", int64_t{1}}};
  for (const char* how : {"floating", "fixed"})
    for (const char* op : {"MaxPool", "AveragePool", "GlobalAveragePool"}) {
      Attributes attributes = std::string_view(op) == "GlobalAveragePool" ? Attributes{} : window;
      attributes.set("requantization", std::string(how));
      OpRun run(*find_op(op), attributes);
      run.drop_outputs(1);
      run.stored(random_tensor({2, 21, 9, 8}, 1), {Order::channels_last, kA});
      run.store_outputs({{Order::channels_last, std::string_view(op) == "MaxPool" ? kA : kB}});
      EXPECT_EQ(expect_exact(run, "", op), 1u) << op;
    }
}

TEST(CodeElements, LargeMaxPoolsAreExact) {
  for (const char* padding : {"NOTSET", "SAME_LOWER"})
    for (int64_t stride : {1, 2}) {
      Attributes attributes = {{"kernel_shape", std::vector<int64_t>{9, 5}},
                               {"strides", std::vector<int64_t>{stride, 1}},
                               {"auto_pad", std::string(padding)}};
      if (std::string_view(padding) == "NOTSET") attributes.set("pads", std::vector<int64_t>{4, 2, 3, 1});
      OpRun run(*find_op("MaxPool"), attributes);
      run.drop_outputs(1);
      run.stored(random_tensor({2, 21, 11, 8}, 1), {Order::channels_last, kA});
      run.store_outputs({{Order::channels_last, kA}});
      EXPECT_EQ(expect_exact(run, "", padding), 1u) << stride;
    }
}

TEST(CodeElements, PoolsOfUnknownChannelsAreLeftToTheReference) {
  OpRun run(*find_op("MaxPool"), {{"kernel_shape", std::vector<int64_t>{2, 2}}});
  run.drop_outputs(1);
  run.stored(random_tensor({1, 3, 4, 4}, 1), {Order::channels_last, kA});
  run.store_outputs({{Order::channels_last, kA}});
  OpSite site = run.site();
  site.inputs[0].type.shape[1] = site.outputs[0].shape[1] = Shape::kUnknownDim;
  for (const Kernel* kernel : cpu_kernels("MaxPool")) EXPECT_NE(kernel->refusal(site), "") << kernel->name;
}

TEST(CodeElements, CodesAreThoseOfTheDivision) {
  for (float scale : {0.017f, 1.0f, 3e-3f, 1e-38f, 1e38f})
    for (int64_t channels : {1, 3, 4, 19}) {
      Tensor x = Tensor::allocate(DType::f32, {2, channels, 7, 5});
      const auto numbers = x.mutable_view().span<float>();
      for (size_t i = 0; i < numbers.size(); ++i)  // the middles between codes, and what lies beside them
        numbers[i] = std::nextafter((static_cast<float>(i % 300) - 130.5f) * scale,
                                    static_cast<float>(i % 3) * 1e38f - 1e38f);
      constexpr float kInfinity = std::numeric_limits<float>::infinity();
      numbers[3] = kInfinity, numbers[20] = -kInfinity, numbers[31] = std::nanf(""), numbers[33] = 3e38f;
      const CodeScale codes{scale, 77};
      for (Order to : {Order::planar, Order::channels_last}) {
        OpRun run(*find_op("Identity"));
        run.stored(x, {Order::planar, {}}).store_outputs({{to, codes}});
        EXPECT_EQ(expect_exact(run, "identity_codes", fmt::format("scale {}", scale)), int8_isas())
            << channels;
      }
    }
}

TEST(CodeElements, ConcatCopies) {
  for (Order order : {Order::planar, Order::channels_last}) {
    OpRun run(*find_op("Concat"), {{"axis", int64_t{1}}});
    for (int64_t channels : {5, 1, 16}) run.stored(random_tensor({2, channels, 3, 4}, 1), {order, kA});
    run.store_outputs({{order, kA}});
    EXPECT_EQ(expect_exact(run, "concat_codes", "Concat"), 1u);
  }
}

TEST(CodeElements, SplitCopies) {
  for (Order order : {Order::planar, Order::channels_last})
    for (int64_t axis : {1, 2}) {
      OpRun run(*find_op("Split"), {{"axis", axis}});
      run.stored(random_tensor({2, 9, 9, 4}, 1), {order, kA}).ints({2, 1, 6});
      run.store_outputs({{order, kA}, {order, kA}, {order, kA}});
      EXPECT_EQ(expect_exact(run, "split", "Split"), 2u);
    }
}

TEST(CodeElements, MovesGoWhereTheReferenceSays) {
  for (Order from : {Order::planar, Order::channels_last})
    for (Order to : {Order::planar, Order::channels_last}) {
      OpRun slice(*find_op("Slice"));
      slice.stored(random_tensor({1, 9, 8, 11}, 1), {from, kA})
          .ints({1, 1})
          .ints({100, 8})
          .ints({2, 1})
          .ints({2, 3});
      slice.store_outputs({{to, kA}});
      EXPECT_EQ(expect_exact(slice, "slice_codes", "Slice"), 1u);
      OpRun turn(*find_op("Transpose"), {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
      turn.stored(random_tensor({2, 5, 3, 7}, 2), {from, kA}).store_outputs({{to, kA}});
      EXPECT_EQ(expect_exact(turn, "transpose_codes", "Transpose"), 1u);
      OpRun shuffle(*find_op("Gather"), {{"axis", int64_t{1}}});
      shuffle.stored(random_tensor({2, 6, 3, 7}, 2), {from, kA})
          .ints({0, 3, 1, 4, 2, 5})
          .store_outputs({{to, kA}});
      EXPECT_EQ(expect_exact(shuffle, "gather_codes", "Gather"), 1u);
    }
}

TEST(CodeElements, WhatReadsOutsideIsLeftToTheReference) {
  const Storage codes{Order::planar, kA};
  OpRun gather(*find_op("Gather"));
  gather.stored(random_tensor({3, 4}, 1), codes).ints({0, 3}).store_outputs({codes});
  OpRun resize(*find_op("Resize"), {{"coordinate_transformation_mode", std::string("tf_crop_and_resize")}});
  resize.stored(random_tensor({3, 4}, 1), codes).constant(Constant(Tensor::from<float>({4}, {0, 0, 2, 2})));
  resize.constant(Constant(Tensor::from<float>({2}, {2, 2}))).store_outputs({codes});
  for (OpRun* run : {&gather, &resize})
    for (const Kernel* kernel : cpu_kernels(run->site().schema->name))
      EXPECT_NE(kernel->refusal(run->site()), "") << kernel->name;
}

}  // namespace
}  // namespace halftone::cpu
