#include "ops/recurrent/recurrent.h"

#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

struct Case {
  const char* op;
  int64_t steps, batch, inputs, hidden;
  const char* direction = "forward";
  bool bias = true, states = true;
  bool resets_after = true;
  const char* activations = "";
};

const OpSchema& schema_of(std::string_view op) {
  return *find_op(op);
}

int64_t gates_of(std::string_view op) {
  return op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
}

Attributes attributes(const Case& c) {
  return {{"direction", std::string(c.direction)},
          {"hidden_size", c.hidden},
          {"linear_before_reset", int64_t{c.resets_after}},
          {"activations", std::string(c.activations)}};
}

void add_inputs(OpRun& run, const Case& c) {
  const int64_t d = std::string_view(c.direction) == "bidirectional" ? 2 : 1, g = gates_of(c.op);
  const float spread = 1 / std::sqrt(static_cast<float>(c.hidden));
  run.input(random_tensor({c.steps, c.batch, c.inputs}, 1))
      .constant(Constant(random_tensor({d, g * c.hidden, c.inputs}, 2, spread)))
      .constant(Constant(random_tensor({d, g * c.hidden, c.hidden}, 3, spread)));
  if (c.bias)
    run.constant(Constant(random_tensor({d, 2 * g * c.hidden}, 4, spread)));
  else
    run.absent();
  run.absent();
  if (!c.states) return;
  run.input(random_tensor({d, c.batch, c.hidden}, 5));
  if (g == 4) run.input(random_tensor({d, c.batch, c.hidden}, 6));
}

/// A gate sums inputs + hidden products of numbers under 6 in f32, at most 2^-24 of the whole wrong each;
/// from one step to the next errors grow no more than they shrink (weights of spread 1 / sqrt(hidden), slopes
/// under 1), but add up.
void check(const Case& c) {
  OpRun run(schema_of(c.op), attributes(c));
  add_inputs(run, c);
  const std::vector<Tensor> expected = run.reference();
  const double bound =
      0x1p-24 * 6 * static_cast<double>(c.inputs + c.hidden + 16) * (1 + 0.5 * double(c.steps));
  for (const Kernel* kernel : cpu_kernels(c.op)) {
    ThreadPool one(1), four(4);
    const std::vector<Tensor> made = run_kernel(*kernel, run, one), again = run_kernel(*kernel, run, four);
    for (size_t o = 0; o < expected.size(); ++o) {
      const std::vector<float> y = floats(made[o]), want = floats(expected[o]);
      for (size_t i = 0; i < y.size(); ++i)
        ASSERT_NEAR(y[i], want[i], bound)
            << kernel->name << " " << c.direction << ", output " << o << " at " << i;
      EXPECT_EQ(y, floats(again[o])) << kernel->name;
    }
  }
}

TEST(RecurrentKernel, EqualsTheReference) {
  for (const char* op : {"LSTM", "GRU", "RNN"}) {
    check({op, 1, 1, 1, 1});
    check({op, 5, 2, 3, 7, "reverse"});
    check({op, 4, 3, 20, 33, "bidirectional", false});
    check({op, 9, 1, 16, 16, "bidirectional", true, false});
    check({op, 3, 11, 8, 24});  // more rows than few_rows() takes
    check({op, 2, 9, 5, 40, "bidirectional", true, true, false});
    check({op, 0, 2, 4, 8});
  }
}

TEST(RecurrentKernel, SharesOutLargeSteps) {
  check({"LSTM", 3, 1, 12, 270});
  check({"GRU", 2, 2, 12, 250, "reverse"});
  check({"GRU", 2, 1, 12, 310, "forward", true, true, false});
  check({"RNN", 2, 9, 12, 250, "bidirectional"});
}

TEST(RecurrentKernel, TakesOtherActivations) {
  check({"RNN", 4, 2, 5, 19, "forward", true, true, true, "Relu"});
  check({"LSTM", 3, 2, 5, 19, "forward", true, true, true, "Sigmoid,Relu,Tanh"});
  check({"GRU", 3, 1, 5, 19, "bidirectional", true, true, true, "Sigmoid,Tanh,Tanh,Sigmoid"});
}

TEST(RecurrentKernel, RefusesWhatItDoesNotDo) {
  for (const char* attribute : {"layout", "input_forget"}) {
    OpRun run(schema_of("LSTM"), {{attribute, int64_t{1}}});
    add_inputs(run, {"LSTM", 2, 2, 3, 4, "forward", true, false});
    EXPECT_NE(cpu_kernels("LSTM")[0]->supports(run.site()), "") << attribute;
  }
}

}  // namespace
}  // namespace halftone
