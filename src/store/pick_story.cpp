#include "store/pick_story.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "store/budget_gate.hpp"
#include "store/candidates.hpp"
#include "store/no_key.hpp"
#include "store/pick.hpp"

#include "pg/postgres.hpp"

namespace keypool::store {

namespace {

using Json = nlohmann::ordered_json;

// Why the keys of that kind of owner, or all of them, could not be taken.
void add_candidates(Json& tried, const std::string& provider, std::vector<Candidate> keys) {
  if (keys.empty()) {
    tried.push_back({{"provider", provider}, {"reason", "no keys"}});
  } else {
    tried.push_back({{"provider", provider}, {"reason", counted_by_reason(keys)}});
  }
}

void add_owners(Json& tried, const std::vector<Candidate>& keys, unsigned owners) {
  for (int kind = 0; owners >> kind != 0; ++kind) {
    if ((owners >> kind & 1) == 0) continue;
    std::vector<Candidate> its;
    std::copy_if(keys.begin(), keys.end(), std::back_inserter(its),
                 [kind](const Candidate& key) { return static_cast<int>(key.kind) == kind; });
    if (its.empty()) continue;
    tried.push_back({{"provider", its.front().provider},
                     {"key_source", core::name(its.front().kind)},
                     {"reason", counted_by_reason(its)}});
  }
}

bool is_told(const Json& tried, const std::string& objection) {
  return std::any_of(tried.begin(), tried.end(), [&objection](const Json& each) {
    return each["reason"].get_ref<const std::string&>().find(objection) != std::string::npos;
  });
}

}  // namespace

void StoryTeller::tell(const BudgetGate& gate, const Picked& picked, PickStory& story) const {
  story.model = gate.fallback_model();
  Json tried = Json::array();
  for (const ChainLink& link : links_) {
    if (link.provider == picked.provider()) {
      if (story.model.empty() && link.model != request_.wish.model) story.model = link.model;
      break;
    }
    add_candidates(tried, link.provider, candidates_at(database_, link, request_));
  }
  if (picked.passed_owners != 0) {
    const ChainLink here = {std::string(picked.provider()), std::string(gate.wish().model)};
    add_owners(tried, candidates_at(database_, here, request_), picked.passed_owners);
  }
  for (const std::string& objection : gate.objections()) {
    if (!is_told(tried, objection)) tried.push_back({{"reason", objection}});
  }
  if (!tried.empty()) story.tried = tried.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace keypool::store
