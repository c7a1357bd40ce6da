#include "ops/recurrent/recurrent_reference.h"

#include <algorithm>
#include <cmath>

#include "ops/elementwise.h"
#include "ops/recurrent/recurrent.h"

namespace halftone {
namespace {

using Slot = RecurrentSlot;

/// One sequence in one direction, step by step.
class Cells {
 public:
  Cells(const OpSite& site, std::span<const Operand> inputs) : layer_(recurrent_layer(site)) {
    for (size_t i = 0; i < inputs.size() && i < Slot::count; ++i)
      if (given_[i] = site.has_input(i); given_[i])
        values_[i] = i == Slot::lengths ? plain(inputs[i]) : to_f32(plain(inputs[i]));
  }

  void run(const OpSite& site, std::span<const MutableTensorView> outputs) {
    std::vector<float> y(
        static_cast<size_t>(layer_.steps * layer_.directions * layer_.batch * layer_.hidden));
    std::vector<float> last_h(static_cast<size_t>(layer_.directions * layer_.batch * layer_.hidden));
    std::vector<float> last_c(last_h.size());
    for (int64_t d = 0; d < layer_.directions; ++d)
      for (int64_t n = 0; n < layer_.batch; ++n) run_sequence(d, n, y, last_h, last_c);
    store_floats(y, outputs[0], 0);
    if (outputs.size() > 1) store_floats(last_h, outputs[1], 0);
    if (outputs.size() > 2) store_floats(last_c, outputs[2], 0);
  }

 private:
  using Floats = std::vector<float>;

  size_t state_place(int64_t d, int64_t n) const {
    return static_cast<size_t>((layer_.batch_first ? n * layer_.directions + d : d * layer_.batch + n) *
                               layer_.hidden);
  }
  float at(size_t input, int64_t i) const {
    return !given_[input] ? 0.0f : values_[input].span<float>()[static_cast<size_t>(i)];
  }

  void run_sequence(int64_t d, int64_t n, Floats& y, Floats& last_h, Floats& last_c) const {
    const auto hidden = static_cast<size_t>(layer_.hidden);
    const auto state = static_cast<int64_t>(state_place(d, n));
    Floats h(hidden), c(hidden);
    for (size_t j = 0; j < hidden; ++j) {
      h[j] = at(Slot::hidden, state + static_cast<int64_t>(j));
      c[j] = at(Slot::cell, state + static_cast<int64_t>(j));
    }
    int64_t length = layer_.steps;
    if (given_[Slot::lengths])
      length = std::clamp<int64_t>(values_[Slot::lengths].span<int32_t>()[static_cast<size_t>(n)], 0,
                                   layer_.steps);
    for (int64_t step = 0; step < length; ++step) {
      const int64_t t = layer_.reverses(d) ? length - 1 - step : step;
      const int64_t row = layer_.batch_first ? n * layer_.steps + t : t * layer_.batch + n;
      advance(d, row, h, c);
      const int64_t to =
          layer_.batch_first ? row * layer_.directions + d : (t * layer_.directions + d) * layer_.batch + n;
      std::copy(h.begin(), h.end(), y.begin() + to * layer_.hidden);
    }
    std::copy(h.begin(), h.end(), last_h.begin() + state);
    std::copy(c.begin(), c.end(), last_c.begin() + state);
  }

  /// R h + Rb of cell j in gate g.
  double recurrent(int64_t d, int64_t g, int64_t j, const Floats& h) const {
    const int64_t row = (d * layer_.gates() + g) * layer_.hidden + j;
    double sum = bias(d, 1, g, j);
    for (int64_t k = 0; k < layer_.hidden; ++k)
      sum += double{at(Slot::recurrence, row * layer_.hidden + k)} * double{h[static_cast<size_t>(k)]};
    return sum;
  }
  /// W x + Wb.
  double fed(int64_t d, int64_t g, int64_t j, int64_t x_row) const {
    const int64_t row = (d * layer_.gates() + g) * layer_.hidden + j;
    double sum = bias(d, 0, g, j);
    for (int64_t k = 0; k < layer_.inputs; ++k)
      sum += double{at(Slot::weights, row * layer_.inputs + k)} *
             double{at(Slot::sequence, x_row * layer_.inputs + k)};
    return sum;
  }
  double bias(int64_t d, int64_t half, int64_t g, int64_t j) const {
    return at(Slot::bias, ((d * 2 + half) * layer_.gates() + g) * layer_.hidden + j);
  }
  double peephole(int64_t d, int64_t which, int64_t j) const {
    return at(Slot::peepholes, (d * 3 + which) * layer_.hidden + j);
  }

  double activate(int64_t d, size_t which, double x) const {
    const double bound = layer_.clip;
    x = std::min(std::max(x, -bound), bound);
    switch (layer_.functions[static_cast<size_t>(d)][which]) {
      case CellFunction::sigmoid:
        return 1 / (1 + std::exp(-x));
      case CellFunction::tanh:
        return std::tanh(x);
      case CellFunction::relu:
        return std::max(x, 0.0);
    }
    return x;
  }

  void advance(int64_t d, int64_t x_row, Floats& h, Floats& c) const {
    const Floats before = h;
    Floats scaled = h;
    if (layer_.kind == Recurrence::gru)
      for (int64_t j = 0; j < layer_.hidden; ++j)
        scaled[static_cast<size_t>(j)] =
            static_cast<float>(activate(d, 0, fed(d, 1, j, x_row) + recurrent(d, 1, j, before)) *
                               double{before[static_cast<size_t>(j)]});
    for (int64_t j = 0; j < layer_.hidden; ++j) {
      const auto place = static_cast<size_t>(j);
      const auto gate = [&](int64_t g) { return fed(d, g, j, x_row) + recurrent(d, g, j, before); };
      switch (layer_.kind) {
        case Recurrence::rnn:
          h[place] = static_cast<float>(activate(d, 0, gate(0)));
          break;
        case Recurrence::gru: {
          const double z = activate(d, 0, gate(0)), r = activate(d, 0, gate(1));
          const double candidate =
              activate(d, 1,
                       fed(d, 2, j, x_row) + (layer_.resets_after ? r * recurrent(d, 2, j, before)
                                                                  : recurrent(d, 2, j, scaled)));
          h[place] = static_cast<float>((1 - z) * candidate + z * double{before[place]});
          break;
        }
        case Recurrence::lstm: {
          const double old = c[place];
          const double i = activate(d, 0, gate(0) + peephole(d, 0, j) * old);
          const double f = layer_.couples_input ? 1 - i : activate(d, 0, gate(2) + peephole(d, 2, j) * old);
          const double made = f * old + i * activate(d, 1, gate(3));
          const double o = activate(d, 0, gate(1) + peephole(d, 1, j) * made);
          c[place] = static_cast<float>(made);
          h[place] = static_cast<float>(o * activate(d, 2, made));
          break;
        }
      }
    }
  }

  RecurrentLayer layer_;
  std::array<bool, Slot::count> given_{};
  std::array<Tensor, Slot::count> values_;  ///< by input
};

}  // namespace

void recurrent_reference(const OpSite& site, std::span<const Operand> inputs,
                         std::span<const MutableTensorView> outputs) {
  Cells(site, inputs).run(site, outputs);
}

}  // namespace halftone
