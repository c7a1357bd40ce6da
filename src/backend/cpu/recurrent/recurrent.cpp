#include "ops/recurrent/recurrent.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/constant_floats.h"
#include "backend/cpu/activation/activation_loops.h"
#include "backend/cpu/float_site.h"
#include "backend/cpu/subnormals_as_zero.h"
#include "backend/cpu/tile/packed_panels.h"
#include "base/checked.h"

// W x of all steps is one product, ahead of the steps; a step is R h of the step before, added to its row of
// that, and the gates. Y itself holds h from step to step. Directions go side by side; a step of many cells
// is shared out among the threads that are left.

namespace halftone::cpu {
namespace {

using Slot = RecurrentSlot;

/// Multiply-adds of a step that are worth waking threads for.
constexpr int64_t kSharedStep = 1 << 18;
constexpr int64_t kChunkRows = 96;  ///< of X at a time

Refusal supports(const OpSite& site) {
  if (site.has_input(Slot::lengths)) return "sequences have lengths of their own";
  if (site.has_input(Slot::peepholes)) return "it has peepholes";
  if (Refusal refusal = not_all_f32(site, site.inputs.size()); !refusal.empty()) return refusal;
  const RecurrentLayer layer = recurrent_layer(site);
  for (size_t slot : {Slot::weights, Slot::recurrence, Slot::bias})
    if (site.has_input(slot) && !site.inputs[slot].constant)
      return fmt::format("{} is computed", site.schema->inputs[slot].name);
  if (layer.batch_first) return "layout 1";
  if (!std::isinf(layer.clip)) return "it clips";
  if (layer.couples_input) return "input_forget";
  return {};
}

/// Weights of each gate by itself, so that cells may be shared out.
struct Gate {
  PackedPanels fed;        ///< W, and Wb + Rb
  PackedPanels recurrent;  ///< R; of a candidate whose R h is scaled before it is added, Rb too
};

/// A layer's weights, by direction and gate.
std::vector<Gate> pack_gates(const OpSite& site, const RecurrentLayer& layer, const FloatTileLoops& loops) {
  const Tensor w = constant_floats(site, Slot::weights), r = constant_floats(site, Slot::recurrence);
  const bool has_bias = site.has_input(Slot::bias);
  const Tensor b = has_bias ? constant_floats(site, Slot::bias) : Tensor();
  std::vector<Gate> gates;
  for (int64_t d = 0; d < layer.directions; ++d)
    for (int64_t g = 0; g < layer.gates(); ++g) {
      const int64_t first = (d * layer.gates() + g) * layer.hidden;
      const auto row = [&](const Tensor& weights, int64_t depth) {
        const float* rows = weights.span<float>().data() + first * depth;
        return [rows, depth](int64_t n, int64_t k) { return rows[n * depth + k]; };
      };
      const auto bias = [&](int64_t half, int64_t n) {
        return has_bias ? b.span<float>()[static_cast<size_t>(
                              ((2 * d + half) * layer.gates() + g) * layer.hidden + n)]
                        : 0.0f;
      };
      const bool late = layer.kind == Recurrence::gru && layer.resets_after && g == 2;
      gates.push_back({PackedPanels(loops, layer.hidden, layer.inputs, row(w, layer.inputs),
                                    [&](int64_t n) { return late ? bias(0, n) : bias(0, n) + bias(1, n); }),
                       PackedPanels(loops, layer.hidden, layer.hidden, row(r, layer.hidden),
                                    [&](int64_t n) { return late ? bias(1, n) : 0.0f; })});
    }
  return gates;
}

/// Where what a run needs lies in its workspace, in floats.
struct Places {
  explicit Places(const RecurrentLayer& of) : layer(of) {
    const int64_t width = layer.gates() * layer.hidden, state = layer.batch * layer.hidden;
    fed = take(layer.directions * layer.steps * layer.batch * width);
    gates = take(layer.directions * layer.batch * width);
    cell = take(layer.directions * state);
    reset = take(layer.directions * state);
    zeros = take(state);
  }
  int64_t take(int64_t floats) {
    const int64_t at = total;
    total += round_up(floats, int64_t{16});
    return at;
  }

  const RecurrentLayer layer;
  int64_t total = 0;
  int64_t fed;          ///< [direction, step, batch, gate, hidden]: W x and the biases
  int64_t gates;        ///< [direction, batch, gate, hidden]
  int64_t cell, reset;  ///< [direction, batch, hidden]: c; r h
  int64_t zeros;        ///< [batch, hidden]
};

/// One run: pointers into its operands and its workspace.
class Steps {
 public:
  Steps(const KernelRun& run, const std::vector<Gate>& weights, const FloatTileLoops& loops,
        const ActivationLoops& activations)
      : run_(run),
        weights_(weights),
        loops_(loops),
        activations_(activations),
        places_(recurrent_layer(run.site)),
        layer_(places_.layer),
        width_(layer_.gates() * layer_.hidden),
        floats_(reinterpret_cast<float*>(run.workspace.data())),
        y_(run.outputs[0].span<float>().data()) {}

  static size_t workspace_bytes(const OpSite& site) {
    return static_cast<size_t>(Places(recurrent_layer(site)).total) * sizeof(float);
  }

  void all() {
    if (layer_.batch == 0 || layer_.hidden == 0) return;
    begin();
    feed();
    const int64_t d = layer_.directions;
    const int64_t work = width_ * layer_.hidden * layer_.batch;
    const int64_t most = std::min(run_.threads.size() / d, layer_.hidden / loops_.width);
    const bool whole_first = layer_.kind == Recurrence::gru && !layer_.resets_after;
    if (work < kSharedStep || most < 2 || whole_first) {
      run_.threads.parallel_for(d, 1, [&](int64_t from, int64_t to) {
        const SubnormalsAsZero mode;
        for (int64_t direction = from; direction < to; ++direction)
          for (int64_t s = 0; s < layer_.steps; ++s) step(direction, s, 0, layer_.hidden);
      });
    } else {
      const int64_t cells = round_up(ceil_div(layer_.hidden, most), loops_.width);
      const int64_t chunks = ceil_div(layer_.hidden, cells);
      for (int64_t s = 0; s < layer_.steps; ++s)
        run_.threads.parallel_for(d * chunks, 1, [&](int64_t from, int64_t to) {
          const SubnormalsAsZero mode;
          for (int64_t task = from; task < to; ++task) {
            const int64_t first = task % chunks * cells;
            step(task / chunks, s, first, std::min(first + cells, layer_.hidden));
          }
        });
    }
    finish();
  }

 private:
  int64_t state_size() const { return layer_.batch * layer_.hidden; }
  const float* operand(size_t slot) const {
    return run_.site.has_input(slot) ? run_.inputs[slot].span<float>().data() : nullptr;
  }

  /// The states of the start.
  void begin() {
    std::fill_n(floats_ + places_.zeros, state_size(), 0.0f);
    const int64_t states = layer_.directions * state_size();
    if (const float* cell = operand(Slot::cell))
      std::copy_n(cell, states, floats_ + places_.cell);
    else
      std::fill_n(floats_ + places_.cell, states, 0.0f);
  }

  const Gate& gate(int64_t d, int64_t g) const {
    return weights_[static_cast<size_t>(d * layer_.gates() + g)];
  }

  /// W x and the biases of all steps.
  void feed() {
    const int64_t rows = layer_.steps * layer_.batch, chunks = ceil_div(rows, kChunkRows);
    const float* x = operand(Slot::sequence);
    run_.threads.parallel_for(layer_.directions * layer_.gates() * chunks, 1, [&](int64_t from, int64_t to) {
      const SubnormalsAsZero mode;
      for (int64_t piece = from; piece < to; ++piece) {
        const int64_t d = piece / chunks / layer_.gates(), g = piece / chunks % layer_.gates();
        const int64_t row = piece % chunks * kChunkRows;
        multiply(gate(d, g).fed, layer_.inputs, x + row * layer_.inputs, std::min(kChunkRows, rows - row),
                 floats_ + places_.fed + (d * rows + row) * width_ + g * layer_.hidden, nullptr, 0,
                 layer_.hidden);
      }
    });
  }

  /// Cells [first, end) of one gate, of rows that lie side by side; `added` lies as y does.
  void multiply(const PackedPanels& weights, int64_t depth, const float* a, int64_t rows, float* y,
                const float* added, int64_t first, int64_t end) const {
    constexpr float kAny = std::numeric_limits<float>::infinity();
    loops_.dense(
        a, depth, rows, depth, weights.panels() + first * depth, end - first,
        {y + first, width_, weights.bias() + first, added ? added + first : nullptr, width_, -kAny, kAny});
  }

  void step(int64_t d, int64_t s, int64_t first, int64_t end) const {
    const bool back = layer_.reverses(d);
    const int64_t t = back ? layer_.steps - 1 - s : s;
    const float* initial = operand(Slot::hidden);
    const float* h = s > 0     ? y_ + ((back ? t + 1 : t - 1) * layer_.directions + d) * state_size()
                     : initial ? initial + d * state_size()
                               : floats_ + places_.zeros;
    float* y = y_ + (t * layer_.directions + d) * state_size();
    const float* fed = floats_ + places_.fed + (d * layer_.steps + t) * layer_.batch * width_;
    float* gates = floats_ + places_.gates + d * layer_.batch * width_;
    if (layer_.kind == Recurrence::gru) return gru(d, h, fed, gates, y, first, end);
    for (int64_t g = 0; g < layer_.gates(); ++g) advance(d, g, h, gates, fed, first, end);
    for (int64_t n = 0; n < layer_.batch; ++n) {
      float *row = gates + n * width_ + first, *to = y + n * layer_.hidden + first;
      if (layer_.kind == Recurrence::rnn) {
        std::copy_n(row, end - first, to);
        activate(d, 0, to, end - first);
      } else {
        lstm(d, row, floats_ + places_.cell + d * state_size() + n * layer_.hidden + first, to, end - first);
      }
    }
  }

  /// R h of a gate, and what was fed to it.
  void advance(int64_t d, int64_t g, const float* h, float* gates, const float* fed, int64_t first,
               int64_t end) const {
    const int64_t at = g * layer_.hidden;
    multiply(gate(d, g).recurrent, layer_.hidden, h, layer_.batch, gates + at, fed ? fed + at : nullptr,
             first, end);
  }

  void activate(int64_t d, size_t which, float* x, int64_t count) const {
    switch (layer_.functions[static_cast<size_t>(d)][which]) {
      case CellFunction::sigmoid:
        return activations_.apply(Activation::sigmoid, 1, 0, x, nullptr, x, count);
      case CellFunction::tanh:
        return activations_.apply(Activation::tanh, 1, 0, x, nullptr, x, count);
      case CellFunction::relu:
        for (int64_t j = 0; j < count; ++j) x[j] = x[j] > 0 ? x[j] : 0;
    }
  }

  /// The gates i, o, f and the candidate lie `hidden` apart.
  void lstm(int64_t d, float* gates, float* cell, float* y, int64_t count) const {
    float *i = gates, *o = i + layer_.hidden, *f = o + layer_.hidden, *made = f + layer_.hidden;
    for (float* gate : {i, o, f}) activate(d, 0, gate, count);
    activate(d, 1, made, count);
    for (int64_t j = 0; j < count; ++j) y[j] = cell[j] = f[j] * cell[j] + i[j] * made[j];
    activate(d, 2, y, count);
    for (int64_t j = 0; j < count; ++j) y[j] *= o[j];
  }

  /// Gates z and r, then the candidate, whose R h is scaled by r or takes r h.
  void gru(int64_t d, const float* h, const float* fed, float* gates, float* y, int64_t first,
           int64_t end) const {
    const int64_t hidden = layer_.hidden, count = end - first;
    for (int64_t g = 0; g < 2; ++g) {
      advance(d, g, h, gates, fed, first, end);
      for (int64_t n = 0; n < layer_.batch; ++n)
        activate(d, 0, gates + n * width_ + g * hidden + first, count);
    }
    if (layer_.resets_after) {
      advance(d, 2, h, gates, nullptr, first, end);
      for (int64_t n = 0; n < layer_.batch; ++n) {
        const float *reset = gates + n * width_ + hidden, *x = fed + n * width_ + 2 * hidden;
        float* made = gates + n * width_ + 2 * hidden;
        for (int64_t j = first; j < end; ++j) made[j] = x[j] + reset[j] * made[j];
      }
    } else {
      float* scaled = floats_ + places_.reset + d * state_size();
      for (int64_t n = 0; n < layer_.batch; ++n)
        for (int64_t j = 0; j < hidden; ++j)
          scaled[n * hidden + j] = gates[n * width_ + hidden + j] * h[n * hidden + j];
      advance(d, 2, scaled, gates, fed, 0, hidden);
    }
    for (int64_t n = 0; n < layer_.batch; ++n) {
      const float *z = gates + n * width_, *before = h + n * hidden;
      float *made = gates + n * width_ + 2 * hidden, *to = y + n * hidden;
      activate(d, 1, made + first, count);
      for (int64_t j = first; j < end; ++j) to[j] = (1 - z[j]) * made[j] + z[j] * before[j];
    }
  }

  /// Y_h and Y_c.
  void finish() {
    const int64_t states = layer_.directions * state_size();
    if (run_.outputs.size() > 1) {
      float* last = run_.outputs[1].span<float>().data();
      for (int64_t d = 0; d < layer_.directions; ++d) {
        const float* initial = operand(Slot::hidden);
        const int64_t t = layer_.reverses(d) ? 0 : layer_.steps - 1;
        const float* from = layer_.steps > 0 ? y_ + (t * layer_.directions + d) * state_size()
                            : initial        ? initial + d * state_size()
                                             : floats_ + places_.zeros;
        std::copy_n(from, state_size(), last + d * state_size());
      }
    }
    if (run_.outputs.size() > 2)
      std::copy_n(floats_ + places_.cell, states, run_.outputs[2].span<float>().data());
  }

  const KernelRun& run_;
  const std::vector<Gate>& weights_;
  const FloatTileLoops& loops_;
  const ActivationLoops& activations_;
  const Places places_;
  const RecurrentLayer& layer_;
  const int64_t width_;  ///< of a row of gates
  float* floats_;
  float* y_;
};

class RecurrentKernel final : public PreparedKernel {
 public:
  RecurrentKernel(const OpSite& site, const FloatTileLoops& loops, const ActivationLoops& activations)
      : weights_(pack_gates(site, recurrent_layer(site), loops)), loops_(loops), activations_(activations) {}

  bool keeps(size_t i) const override {
    return i == Slot::weights || i == Slot::recurrence || i == Slot::bias;
  }
  size_t packed_bytes() const override {
    size_t bytes = 0;
    for (const Gate& gate : weights_) bytes += gate.fed.bytes() + gate.recurrent.bytes();
    return bytes;
  }
  size_t workspace_bytes(const OpSite& site) const override { return Steps::workspace_bytes(site); }
  void run(const KernelRun& run) const override { Steps(run, weights_, loops_, activations_).all(); }

 private:
  std::vector<Gate> weights_;
  const FloatTileLoops& loops_;
  const ActivationLoops& activations_;
};

template <const FloatTileLoops& kLoops, const ActivationLoops& kActivations>
std::unique_ptr<PreparedKernel> prepare(const OpSite& site, ThreadPool&) {
  return std::make_unique<RecurrentKernel>(site, kLoops, kActivations);
}

}  // namespace

#define HALFTONE_RECURRENT(isa)                                                \
  extern const Kernel lstm_##isa{"lstm_" #isa, "LSTM", Isa::isa, supports,     \
                                 prepare<float_tile_##isa, activation_##isa>}; \
  extern const Kernel gru_##isa{"gru_" #isa, "GRU", Isa::isa, supports,        \
                                prepare<float_tile_##isa, activation_##isa>};  \
  extern const Kernel rnn_##isa{"rnn_" #isa, "RNN", Isa::isa, supports,        \
                                prepare<float_tile_##isa, activation_##isa>};

#if defined(__x86_64__)
HALFTONE_RECURRENT(avx512vnni)
HALFTONE_RECURRENT(avx2)
#elif defined(__aarch64__)
HALFTONE_RECURRENT(neon)
#endif

}  // namespace halftone::cpu
