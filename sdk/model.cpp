#include "halftone/model.h"

#include <cstring>

#include "models/open_model.h"
#include "runtime/session.h"
#include "sdk/convert.h"
#include "sdk/custom_backend.h"

namespace halftone::sdk {

struct Model::Impl {
  std::unique_ptr<Backend> backend;
  ThreadPool threads;
  std::unique_ptr<Session> session;

  Impl(const std::filesystem::path& path, const ModelOptions& options)
      : backend(backend_with_custom_operators()), threads(options.threads) {
    CompileOptions how;
    how.backend = backend.get();
    how.exact = options.exact;
    session = std::make_unique<Session>(compile(open_model_graph(path), how, threads), threads);
  }
  const Graph& graph() const { return session->plan().graph(); }
};

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::load(const std::filesystem::path& path, const ModelOptions& options) {
  return guarded([&] { return Model(std::make_unique<Impl>(path, options)); });
}

std::vector<TensorInfo> Model::inputs() const {
  return guarded([&] {
    std::vector<TensorInfo> infos;
    for (ValueId id : impl_->graph().inputs()) {
      const Value& value = impl_->graph().value(id);
      infos.push_back({value.name, from_dtype(value.type.dtype), from_shape(value.type.shape)});
    }
    return infos;
  });
}

std::vector<TensorInfo> Model::outputs() const {
  return guarded([&] {
    std::vector<TensorInfo> infos;
    for (size_t i = 0; i < impl_->graph().outputs().size(); ++i) {
      const ValueType& type = impl_->graph().value(impl_->graph().outputs()[i]).type;
      infos.push_back({impl_->graph().output_names()[i], from_dtype(type.dtype), from_shape(type.shape)});
    }
    return infos;
  });
}

std::map<std::string, Tensor> Model::run(const std::map<std::string, Tensor>& inputs) {
  return guarded([&] {
    std::map<std::string, TensorView> views;
    for (const auto& [name, tensor] : inputs)
      views[name] = {to_dtype(tensor.type()), to_shape(tensor.shape()), tensor.bytes().data()};
    impl_->session->run(views);
    std::map<std::string, Tensor> outputs;
    for (const std::string& name : impl_->graph().output_names()) {
      const TensorView view = impl_->session->output(name);
      Tensor& made = outputs[name] = Tensor(from_dtype(view.dtype), from_shape(view.shape));
      if (view.size_bytes() > 0) std::memcpy(made.bytes().data(), view.data, view.size_bytes());
    }
    return outputs;
  });
}

std::string Model::explain() const {
  return impl_->session->plan().explain();
}

}  // namespace halftone::sdk
