#include "backend/cpu/broadcast/broadcast_axes.h"
#include "backend/cpu/broadcast/pair_rows.h"
#include "backend/cpu/float_site.h"

namespace halftone::cpu {
namespace {

template <class T>
void choose(const KernelRun& run) {
  const BroadcastAxes axes = broadcast_axes(run.site);
  const bool* condition = run.inputs[0].span<bool>().data();
  const T* x = reinterpret_cast<const T*>(run.inputs[1].tensor.data);
  const T* y = reinterpret_cast<const T*>(run.inputs[2].tensor.data);
  T* out = reinterpret_cast<T*>(run.outputs[0].data);
  const auto last = static_cast<size_t>(axes.rank - 1);
  parallel_floats(run.threads, run.outputs[0].shape.elements(), [&](int64_t begin, int64_t end) {
    each_row<3>(axes, begin, end, [&](const std::array<int64_t, 3>& from, int64_t to, int64_t count) {
      const bool* c = condition + from[0];
      const T* a = x + from[1];
      const T* b = y + from[2];
      T* into = out + to;
      visit_step(axes.steps[0][last], [&](auto c_step) {
        visit_step(axes.steps[1][last], [&](auto a_step) {
          visit_step(axes.steps[2][last], [&](auto b_step) {
            for (int64_t i = 0; i < count; ++i) {
              const T yes = a[i * a_step], no = b[i * b_step];
              into[i] = c[i * c_step] ? yes : no;
            }
          });
        });
      });
    });
  });
}

class WhereKernel : public PreparedKernel {
 public:
  void run(const KernelRun& run) const override {
    if (run.outputs[0].shape.elements() == 0) return;
    switch (dtype_bytes(run.outputs[0].dtype)) {
      case 1:
        return choose<uint8_t>(run);
      case 2:
        return choose<uint16_t>(run);
      case 4:
        return choose<uint32_t>(run);
      default:
        return choose<uint64_t>(run);
    }
  }
};

std::unique_ptr<PreparedKernel> prepare(const OpSite&, ThreadPool&) {
  return std::make_unique<WhereKernel>();
}

}  // namespace

extern const Kernel where{"where", "Where", Isa::scalar, broadcast_refusal, prepare, true};

}  // namespace halftone::cpu
