#include "core/import_document.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>
#include <system_error>
#include <utility>

#include "core/amount.hpp"
#include "core/ascii.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"
#include "core/scrub.hpp"

namespace keypool::core {
namespace {

using Kind = JsonValue::Kind;

constexpr std::size_t kDepth = 16;
constexpr std::size_t kMostText = 4096;
constexpr std::size_t kMostPathPart = 64;

// ---- one value: each returns what is wrong with it, empty if nothing ----

using Reason = std::string_view;

Reason read(JsonValue& value, std::optional<std::string>& out) {
  if (!value.is(Kind::kString)) return "must be a string";
  if (value.text.empty()) return "must not be empty";
  if (value.text.size() > kMostText) return "is too long";
  if (value.text.find('\0') != std::string::npos) return "must not contain a NUL character";
  out = value.text;
  return {};
}

Reason read(JsonValue& value, std::optional<bool>& out) {
  if (!value.is(Kind::kBoolean)) return "must be true or false";
  out = value.boolean;
  return {};
}

Reason read(JsonValue& value, std::optional<std::int32_t>& out) {
  constexpr Reason kExpected = "must be a whole number from 1 to 2147483647";
  std::int32_t number = 0;
  const char* end = value.text.data() + value.text.size();
  const auto [stop, error] = std::from_chars(value.text.data(), end, number);
  if (!value.is(Kind::kNumber) || error != std::errc{} || stop != end || number < 1) {
    return kExpected;
  }
  out = number;
  return {};
}

Reason read(JsonValue& value, std::optional<double>& out) {
  constexpr Reason kExpected = "must be a number above zero";
  double number = 0;
  const char* end = value.text.data() + value.text.size();
  const auto [stop, error] = std::from_chars(value.text.data(), end, number);
  if (!value.is(Kind::kNumber) || error != std::errc{} || stop != end || !(number > 0) ||
      !std::isfinite(number)) {
    return kExpected;
  }
  out = number;
  return {};
}

Reason read(JsonValue& value, std::optional<std::vector<std::string>>& out) {
  if (!value.is(Kind::kArray)) return "must be an array of strings";
  std::vector<std::string> texts;
  for (JsonValue& item : value.items) {
    std::optional<std::string> text;
    if (!read(item, text).empty()) return "must be an array of non-empty strings";
    texts.push_back(std::move(*text));
  }
  out = std::move(texts);
  return {};
}

Reason read(JsonValue& value, Secret& out) {
  if (!value.is(Kind::kString)) return "must be a string";
  if (value.text.empty()) return "must not be empty";
  if (value.text.size() > kMostText) return "is too long";
  out = Secret(value.text);
  wipe(std::as_writable_bytes(std::span(value.text)));
  return {};
}

Reason read_amount(JsonValue& value, std::optional<std::string>& out) {
  const bool right_kind = value.is(Kind::kNumber) || value.is(Kind::kString);
  if (!right_kind || !is_amount(value.text)) return "must be an amount of zero or more";
  out = value.text;
  return {};
}

// An owner's id: a uuid, an e-mail address, or a number that somebody wrote without quotes.
Reason read_id(JsonValue& value, std::optional<std::string>& out) {
  const bool whole = std::all_of(value.text.begin(), value.text.end(), is_digit);
  if (!value.is(Kind::kNumber) || !whole) return read(value, out);
  out = value.text;
  return {};
}

Reason read_required(JsonValue& value, std::string& out) {
  std::optional<std::string> text;
  const Reason reason = read(value, text);
  if (reason.empty()) out = std::move(*text);
  return reason;
}

// ---- the members of each kind of object ----

template <typename Object>
struct Member {
  std::string_view name;
  Reason (*read_into)(JsonValue&, Object&);
};

// A member that is read by the `read` of its field's type.
template <auto kField, typename Object>
Reason plain(JsonValue& value, Object& object) {
  return read(value, object.*kField);
}

template <auto kField, typename Object>
Reason amount(JsonValue& value, Object& object) {
  return read_amount(value, object.*kField);
}

template <auto kField, typename Object>
Reason id(JsonValue& value, Object& object) {
  return read_id(value, object.*kField);
}

template <auto kField, typename Object>
Reason required(JsonValue& value, Object& object) {
  return read_required(value, object.*kField);
}

using Key = ImportedKey;
constexpr Member<Key> kKeyMembers[] = {
    {"key", plain<&Key::secret>},
    {"name", plain<&Key::name>},
    {"rate_limit", plain<&Key::rate_limit>},
    {"requests_per_minute", plain<&Key::requests_per_minute>},
    {"tokens_per_minute", plain<&Key::tokens_per_minute>},
    {"max_concurrency", plain<&Key::max_concurrency>},
    {"cost_limit", amount<&Key::cost_limit>},
    {"weight", plain<&Key::weight>},
    {"enabled", plain<&Key::enabled>},
    {"models", plain<&Key::models>},
    {"region", plain<&Key::region>},
    {"base_url", plain<&Key::base_url>},
    {"user_id", id<&Key::user_id>},
    {"organization_id", id<&Key::organization_id>},
    {"expires_at", plain<&Key::expires_at>},
};

using Model = ImportedModel;
constexpr Member<Model> kModelMembers[] = {
    {"name", required<&Model::name>},
    {"input_cost_per_1k_tokens", amount<&Model::input_cost_per_1k_tokens>},
    {"output_cost_per_1k_tokens", amount<&Model::output_cost_per_1k_tokens>},
    {"cached_input_cost_per_1k_tokens", amount<&Model::cached_input_cost_per_1k_tokens>},
    {"max_tokens", plain<&Model::max_tokens>},
    {"enabled", plain<&Model::enabled>},
};

using Rotation = ImportedRotation;
constexpr Member<Rotation> kRotationMembers[] = {
    {"strategy", plain<&Rotation::strategy>},
    {"interval", plain<&Rotation::interval>},
    {"health_check", plain<&Rotation::health_check>},
    {"fallback_enabled", plain<&Rotation::fallback_enabled>},
};

using Global = ImportedGlobal;
constexpr Member<Global> kGlobalMembers[] = {
    {"fallback_chain", plain<&Global::fallback_chain>},
    {"global_rate_limit", plain<&Global::global_rate_limit>},
    {"daily_cost_limit", amount<&Global::daily_cost_limit>},
    {"cost_alert_threshold", amount<&Global::cost_alert_threshold>},
    {"default_rotation_strategy", plain<&Global::default_rotation_strategy>},
    {"health_check_interval", plain<&Global::health_check_interval>},
    {"key_timeout", plain<&Global::key_timeout>},
};

// ---- the document ----

[[noreturn]] void refuse(const std::string& path, std::string_view reason) {
  throw Error(ErrorCode::kInvalidArgument,
              "invalid import document: " + path + " " + std::string(reason));
}

std::string joined(const std::string& path, std::string_view name) {
  std::string part = scrub(name.substr(0, kMostText));
  cut_utf8(part, kMostPathPart);
  return path.empty() ? part : path + "." + part;
}

std::string element(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

class Reader {
 public:
  ImportDocument take(JsonValue& root);

 private:
  void take_provider(const std::string& path, JsonValue& node, ImportedProvider& provider);
  void take_keys(const std::string& path, JsonValue& node, std::vector<ImportedKey>& keys);
  void take_models(const std::string& path, JsonValue& node, std::vector<ImportedModel>& models);

  // Reads what `members` know; answers with the path and reason of the first fault, or empty.
  template <typename Object, std::size_t kCount>
  std::string take_members(const std::string& path, JsonValue& node,
                           const Member<Object> (&members)[kCount], Object& object);

  template <typename Object, std::size_t kCount>
  void take_or_refuse(const std::string& path, JsonValue& node,
                      const Member<Object> (&members)[kCount], Object& object);

  void ignore(std::string path) {
    if (document_.ignored.size() < kMostIgnored) document_.ignored.push_back(std::move(path));
  }

  ImportDocument document_;
  std::size_t key_count_ = 0;
};

template <typename Object, std::size_t kCount>
std::string Reader::take_members(const std::string& path, JsonValue& node,
                                 const Member<Object> (&members)[kCount], Object& object) {
  if (!node.is(Kind::kObject)) return path + " must be an object";
  std::string fault;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string& name = node.names[i];
    const auto* known = std::find_if(std::begin(members), std::end(members),
                                     [&](const auto& member) { return member.name == name; });
    if (known == std::end(members)) {
      ignore(joined(path, name));
    } else if (!node.items[i].is(Kind::kNull)) {
      const Reason reason = known->read_into(node.items[i], object);
      if (!reason.empty() && fault.empty()) fault = joined(path, name) + " " + std::string(reason);
    }
  }
  return fault;
}

template <typename Object, std::size_t kCount>
void Reader::take_or_refuse(const std::string& path, JsonValue& node,
                            const Member<Object> (&members)[kCount], Object& object) {
  const std::string fault = take_members(path, node, members, object);
  if (!fault.empty()) throw Error(ErrorCode::kInvalidArgument, "invalid import document: " + fault);
}

void Reader::take_keys(const std::string& path, JsonValue& node, std::vector<ImportedKey>& keys) {
  if (!node.is(Kind::kArray)) refuse(path, "must be an array");
  key_count_ += node.items.size();
  if (key_count_ > kMostImportKeys) {
    refuse(path, "exceeds the limit of " + std::to_string(kMostImportKeys) + " keys a document");
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    ImportedKey key;
    key.path = element(path, i);
    key.fault = take_members(key.path, node.items[i], kKeyMembers, key);
    if (key.fault.empty() && key.secret.size() == 0) key.fault = key.path + ".key is missing";
    keys.push_back(std::move(key));
  }
}

void Reader::take_models(const std::string& path, JsonValue& node,
                         std::vector<ImportedModel>& models) {
  if (!node.is(Kind::kArray)) refuse(path, "must be an array");
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    ImportedModel model;
    const std::string here = element(path, i);
    take_or_refuse(here, node.items[i], kModelMembers, model);
    if (model.name.empty()) refuse(here + ".name", "is missing");
    models.push_back(std::move(model));
  }
}

void Reader::take_provider(const std::string& path, JsonValue& node, ImportedProvider& provider) {
  if (!node.is(Kind::kObject)) refuse(path, "must be an object");
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    JsonValue& value = node.items[i];
    const std::string here = joined(path, node.names[i]);
    const std::string& name = node.names[i];
    if (name != "api_keys" && name != "models" && name != "rotation") {
      ignore(here);
    } else if (value.is(Kind::kNull)) {
      continue;
    } else if (name == "api_keys") {
      take_keys(here, value, provider.keys);
    } else if (name == "models") {
      take_models(here, value, provider.models);
    } else {
      take_or_refuse(here, value, kRotationMembers, provider.rotation);
    }
  }
}

ImportDocument Reader::take(JsonValue& root) {
  if (!root.is(Kind::kObject)) refuse("the document", "must be an object");
  for (std::size_t i = 0; i < root.items.size(); ++i) {
    JsonValue& value = root.items[i];
    const std::string& name = root.names[i];
    if (name != "providers" && name != "global") {
      ignore(joined("", name));
    } else if (value.is(Kind::kNull)) {
      continue;
    } else if (name == "global") {
      take_or_refuse(name, value, kGlobalMembers, document_.global);
    } else {
      if (!value.is(Kind::kObject)) refuse(name, "must be an object");
      for (std::size_t k = 0; k < value.items.size(); ++k) {
        ImportedProvider& provider = document_.providers.emplace_back();
        provider.name = value.names[k];
        take_provider(joined(name, provider.name), value.items[k], provider);
      }
    }
  }
  return std::move(document_);
}

}  // namespace

ImportDocument parse_import_document(std::string_view json) {
  if (json.size() > kMostImportBytes) {
    refuse("the document", "exceeds the limit of " + std::to_string(kMostImportBytes) + " bytes");
  }
  auto root = parse_json(json, kDepth);
  if (!root) {
    refuse("the document",
           "is not JSON, or is nested deeper than " + std::to_string(kDepth) + " levels");
  }
  return Reader().take(*root);
}

}  // namespace keypool::core
