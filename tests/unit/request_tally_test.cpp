#include "core/request_tally.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <string>
#include <tuple>

#include "core/error.hpp"

namespace keypool::core {

namespace {

RequestDimensions of_user(std::string_view user) {
  return {.bucket = 0, .provider = "openai", .model = "gpt-4o", .user_id = user};
}

std::vector<RequestTally::Group> groups(const RequestTally& tally) {
  std::vector<RequestTally::Group> all;
  tally.for_each([&](const RequestTally::Group& group) { all.push_back(group); });
  return all;
}

TEST(RequestBucket, IsAQuarterOfAnHourBeforeAndAfter2000) {
  EXPECT_EQ(request_bucket(0), 0);
  EXPECT_EQ(request_bucket(kRequestBucket - 1), 0);
  EXPECT_EQ(request_bucket(kRequestBucket), kRequestBucket);
  EXPECT_EQ(request_bucket(-1), -kRequestBucket);
  EXPECT_EQ(request_bucket(-kRequestBucket), -kRequestBucket);
  EXPECT_EQ(request_bucket(-kRequestBucket - 1), -2 * kRequestBucket);
  EXPECT_EQ(bucket_start(kDay - 1, kDay), 0);
  EXPECT_EQ(bucket_start(-1, kDay), -kDay);
}

TEST(RequestTally, AddsUpWhatIsAlike) {
  RequestTally tally;
  tally.add(of_user("a"), {.requests = 1, .input_tokens = 10, .cost_nano = 7}, 1);
  tally.add(of_user("b"), {.requests = 1, .errors = 1}, 1);
  tally.add(of_user("a"), {.requests = 1, .input_tokens = 5, .timed = 1, .time_ms = 3}, 1);
  const auto all = groups(tally);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].dimensions, of_user("a"));
  EXPECT_EQ(
      all[0].sums,
      (RequestSums{.requests = 2, .input_tokens = 15, .cost_nano = 7, .timed = 1, .time_ms = 3}));
  EXPECT_EQ(all[1].dimensions, of_user("b"));
  EXPECT_EQ(all[1].sums, (RequestSums{.requests = 1, .errors = 1}));
}

TEST(RequestTally, TakesAwayWhatIsThereNoMore) {
  RequestTally tally;
  const RequestSums sums = {.requests = 1, .output_tokens = 4, .unpriced = 1};
  tally.add(of_user("a"), sums, -1);
  tally.add(of_user("a"), sums, -1);
  ASSERT_EQ(groups(tally).size(), 1U);
  EXPECT_EQ(groups(tally)[0].sums,
            (RequestSums{.requests = -2, .output_tokens = -8, .unpriced = -2}));
}

TEST(RequestTally, KeepsSilentAboutGroupsOfWhichNothingIsLeft) {
  RequestTally tally;
  const RequestSums sums = {.requests = 1, .input_tokens = 4};
  tally.add(of_user("moved"), sums, -1);
  tally.add(of_user("moved"), sums, 1);
  tally.add(of_user("dearer"), {.requests = 1, .cost_nano = 1}, -1);
  tally.add(of_user("dearer"), {.requests = 1, .cost_nano = 3}, 1);
  ASSERT_EQ(groups(tally).size(), 1U);
  EXPECT_EQ(groups(tally)[0].sums, (RequestSums{.cost_nano = 2}));
}

TEST(RequestTally, EveryDimensionTellsGroupsApart) {
  const RequestDimensions plain = of_user("a");
  RequestTally tally;
  const auto add = [&](auto change) {
    RequestDimensions other = plain;
    change(other);
    tally.add(other, {.requests = 1}, 1);
  };
  add([](RequestDimensions&) {});
  add([](RequestDimensions& d) { d.bucket = kRequestBucket; });
  add([](RequestDimensions& d) { d.provider = "anthropic"; });
  add([](RequestDimensions& d) { d.model = "gpt-4"; });
  add([](RequestDimensions& d) { d.user_id = "b"; });
  add([](RequestDimensions& d) { d.organization_id = "a"; });
  add([](RequestDimensions& d) { d.key_source = "user"; });
  add([](RequestDimensions& d) { d.api_key_id = 1; });
  add([](RequestDimensions& d) { d.is_anonymous = true; });
  EXPECT_EQ(groups(tally).size(), 9U);
}

TEST(RequestTally, AMissingTextOrKeyIsNotAnEmptyOne) {
  RequestTally tally;
  RequestDimensions none = {};
  RequestDimensions empty = {};
  empty.user_id = "";
  RequestDimensions zero = {};
  zero.api_key_id = 0;
  RequestDimensions minus_one = {};
  minus_one.api_key_id = -1;
  for (const auto& dimensions : {none, empty, zero, minus_one, none}) {
    tally.add(dimensions, {.requests = 1}, 1);
  }
  const auto all = groups(tally);
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].dimensions.user_id, std::nullopt);
  EXPECT_EQ(all[0].sums.requests, 2);
  EXPECT_EQ(all[1].dimensions.user_id, "");
}

TEST(RequestTally, KeepsItsOwnCopyOfTexts) {
  RequestTally tally;
  std::string user = "somebody with a name of more than a few letters";
  tally.add(of_user(user), {.requests = 1}, 1);
  const std::string as_it_was = user;
  user.assign(user.size(), '?');
  EXPECT_EQ(groups(tally)[0].dimensions.user_id, as_it_was);
}

TEST(RequestTally, TakesTextsOfAnyLength) {
  RequestTally tally;
  std::vector<std::string> users;
  for (std::size_t size = 0; size < 40; ++size) users.emplace_back(size, 'x');
  users.emplace_back(100'000, 'x');
  users.emplace_back(1'000'000, 'x');
  users.emplace_back(65'536, 'x');
  for (int round = 0; round < 2; ++round) {
    for (const std::string& user : users) tally.add(of_user(user), {.requests = 1}, 1);
  }
  const auto all = groups(tally);
  ASSERT_EQ(all.size(), users.size());
  for (std::size_t i = 0; i < users.size(); ++i) {
    EXPECT_EQ(all[i].dimensions.user_id, users[i]);
    EXPECT_EQ(all[i].sums.requests, 2);
  }
}

TEST(RequestTally, ForgetsEverythingWhenCleared) {
  RequestTally tally;
  tally.add(of_user("a"), {.requests = 1}, 1);
  tally.clear();
  EXPECT_EQ(tally.size(), 0U);
  EXPECT_TRUE(groups(tally).empty());
  tally.add(of_user("b"), {.requests = 1}, 1);
  ASSERT_EQ(groups(tally).size(), 1U);
  EXPECT_EQ(groups(tally)[0].dimensions.user_id, "b");
}

TEST(RequestTally, RefusesSumsThatLeave64Bits) {
  RequestTally tally;
  const RequestSums absurd = {.requests = 1, .cost_nano = std::numeric_limits<std::int64_t>::max()};
  tally.add(of_user("a"), absurd, 1);
  EXPECT_THROW(tally.add(of_user("a"), absurd, 1), Error);
}

TEST(RequestTally, AgreesWithAMapOnRandomRequests) {
  std::mt19937 random(20240229);
  const auto upto = [&](int most) { return std::uniform_int_distribution(0, most)(random); };
  std::map<std::tuple<Micros, std::string, std::string, std::int64_t>, std::int64_t> expected;
  RequestTally tally;
  for (int i = 0; i < 200'000; ++i) {
    const Micros bucket = upto(95) * kRequestBucket;
    const std::string user = "user-" + std::to_string(upto(300));
    const std::string model = "model-" + std::to_string(upto(3));
    const std::int64_t key = upto(3);
    const int sign = upto(3) == 0 ? -1 : 1;
    const std::int64_t tokens = upto(1000);
    expected[{bucket, user, model, key}] += sign * tokens;
    tally.add({.bucket = bucket, .model = model, .user_id = user, .api_key_id = key},
              {.input_tokens = tokens}, sign);
  }
  EXPECT_EQ(tally.size(), expected.size());
  std::size_t not_zero = 0;
  for (const auto& [key, sum] : expected) not_zero += sum != 0 ? 1 : 0;
  EXPECT_EQ(groups(tally).size(), not_zero);
  for (const auto& [dimensions, sums] : groups(tally)) {
    const auto key = std::tuple(dimensions.bucket, std::string(*dimensions.user_id),
                                std::string(*dimensions.model), *dimensions.api_key_id);
    EXPECT_EQ(sums.input_tokens, expected.at(key));
  }
}

}  // namespace

}  // namespace keypool::core
