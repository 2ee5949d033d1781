#include "core/json_value.hpp"

#include <utility>

#include <nlohmann/json.hpp>

namespace keypool::core {
namespace {

using Kind = JsonValue::Kind;

// Receives the parser's events. Open containers form a stack of pointers into the tree; a parent
// does not grow while a child of it is open, so they stay valid.
class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  TreeBuilder(JsonValue& root, std::size_t max_depth) : root_(root), max_depth_(max_depth) {}

  bool null() override {
    add(Kind::kNull);
    return true;
  }
  bool boolean(bool value) override {
    add(Kind::kBoolean).boolean = value;
    return true;
  }
  bool number_integer(number_integer_t value) override { return add_number(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    return add_number(std::to_string(value));
  }
  bool number_float(number_float_t, const string_t& written) override {
    return add_number(written);
  }
  bool string(string_t& value) override {
    add(Kind::kString).text = std::move(value);
    return true;
  }
  bool binary(binary_t&) override { return false; }
  bool key(string_t& name) override {
    open_.back()->names.push_back(std::move(name));
    return true;
  }
  bool start_object(std::size_t) override { return open(Kind::kObject); }
  bool start_array(std::size_t) override { return open(Kind::kArray); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  // A new value where the document has one: in the open container, else as the whole.
  JsonValue& add(Kind kind) {
    JsonValue& value = open_.empty() ? root_ : open_.back()->items.emplace_back();
    value.kind = kind;
    return value;
  }
  bool add_number(std::string written) {
    add(Kind::kNumber).text = std::move(written);
    return true;
  }
  bool open(Kind kind) {
    if (open_.size() >= max_depth_) return false;
    open_.push_back(&add(kind));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  JsonValue& root_;
  std::size_t max_depth_;
  std::vector<JsonValue*> open_;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const noexcept {
  for (std::size_t i = names.size(); i-- > 0;) {
    if (names[i] == name) return &items[i];
  }
  return nullptr;
}

std::string_view JsonValue::string_at(std::string_view name) const noexcept {
  const JsonValue* member = find(name);
  return member != nullptr && member->is(Kind::kString) ? std::string_view(member->text)
                                                        : std::string_view{};
}

std::optional<JsonValue> parse_json(std::string_view text, std::size_t max_depth) {
  JsonValue root;
  TreeBuilder builder(root, max_depth);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return std::nullopt;
  return root;
}

}  // namespace keypool::core
