#include "core/envelope.hpp"

#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/secret.hpp"

namespace keypool::core {
namespace {

constexpr std::string_view kSecret = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLaB3d";

const KeyIdentity kIdentity{
    .key_id = 42, .provider = "openai", .owner_kind = "user", .owner = "u1"};

class Envelope : public testing::Test {
 protected:
  std::string open(std::span<const std::byte> envelope, const KeyIdentity& identity = kIdentity) {
    Secret out(kMaxSecretSize);
    const std::size_t size =
        open_key(data_key_, parse_envelope(envelope, identity.key_id), identity, out.bytes());
    return std::string(out.view().substr(0, size));
  }

  // The error that opening gives.
  Error failure(std::span<const std::byte> envelope, const KeyIdentity& identity = kIdentity) {
    try {
      open(envelope, identity);
    } catch (const Error& error) {
      EXPECT_EQ(error.message().find(kSecret), std::string::npos);
      return error;
    }
    ADD_FAILURE() << "it opened";
    return Error(ErrorCode::kInternal, "it opened");
  }

  Aead data_key_{std::array<std::byte, kKeySize>{std::byte{9}}};
  std::vector<std::byte> sealed_ = seal_key(data_key_, 7, kIdentity, kSecret);
};

TEST_F(Envelope, OpensToWhatWasSealed) {
  EXPECT_EQ(sealed_.size(), kEnvelopeOverhead + kSecret.size());
  const EnvelopeView view = parse_envelope(sealed_, 42);
  EXPECT_EQ(view.key_number, 7u);
  EXPECT_EQ(view.secret_size(), kSecret.size());
  EXPECT_EQ(open(sealed_), kSecret);
}

TEST_F(Envelope, KeepsItsLayout) {
  const auto sealed = seal_key(data_key_, 0x01020304, kIdentity, "s");
  EXPECT_EQ(sealed.size(), 34u);
  for (int i = 0; i < 5; ++i)  // version 1, then the number, big-endian
    EXPECT_EQ(std::to_integer<int>(sealed[static_cast<std::size_t>(i)]), i == 0 ? 1 : i);
}

// Made by another implementation of the format (Python's cryptography): what is stored must open
// after every upgrade.
TEST_F(Envelope, OpensAnEnvelopeOfTheFirstRelease) {
  constexpr std::array<unsigned char, 41> kStored = {
      0x01, 0x00, 0x00, 0x00, 0x07, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
      0x09, 0x0a, 0x0b, 0xf4, 0xc2, 0xd1, 0x35, 0xa4, 0x4c, 0x7a, 0xad, 0x19, 0x0d, 0xfa,
      0x13, 0x09, 0xb2, 0x05, 0x7c, 0x1b, 0x8f, 0xea, 0x42, 0x11, 0x4e, 0xe5, 0xab};
  EXPECT_EQ(open(std::as_bytes(std::span(kStored))), "sk-first");
}

TEST_F(Envelope, TakesSecretsUpToItsLimit) {
  const std::string longest(kMaxSecretSize, 'x');
  const auto sealed = seal_key(data_key_, 7, kIdentity, longest);
  EXPECT_EQ(sealed.size(), kMaxEnvelopeSize);
  EXPECT_EQ(open(sealed), longest);
  EXPECT_THROW(seal_key(data_key_, 7, kIdentity, longest + "x"), Error);
  EXPECT_THROW(seal_key(data_key_, 7, kIdentity, ""), Error);
}

TEST_F(Envelope, AnyFlippedBitFails) {
  for (std::size_t bit = 0; bit < sealed_.size() * 8; ++bit) {
    auto damaged = sealed_;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    // The number is not encrypted: a flip there names another data key, and so does not open.
    if (bit / 8 >= 1 && bit / 8 < 5)
      EXPECT_NE(parse_envelope(damaged, 42).key_number, 7u) << "bit " << bit;
    else
      EXPECT_EQ(failure(damaged).code(), ErrorCode::kDecryptionFailed) << "bit " << bit;
  }
}

TEST_F(Envelope, AnyTruncationFails) {
  for (std::size_t size = 0; size < sealed_.size(); ++size)
    EXPECT_EQ(failure(std::span(sealed_).first(size)).code(), ErrorCode::kDecryptionFailed) << size;
}

TEST_F(Envelope, AnotherRowsEnvelopeFailsAndNamesTheKey) {
  for (const KeyIdentity& other : {
           KeyIdentity{43, "openai", "user", "u1"},
           KeyIdentity{42, "anthropic", "user", "u1"},
           KeyIdentity{42, "openai", "organization", "u1"},
           KeyIdentity{42, "openai", "user", "u2"},
           KeyIdentity{42, "openai", "system", ""},
       }) {
    const Error error = failure(sealed_, other);
    EXPECT_EQ(error.code(), ErrorCode::kDecryptionFailed);
    EXPECT_EQ(error.message(), "could not decrypt key " + std::to_string(other.key_id));
    EXPECT_NE(error.detail().find("another row"), std::string::npos);
    EXPECT_NE(error.hint().find("rotate_key(" + std::to_string(other.key_id)), std::string::npos);
  }
}

TEST_F(Envelope, FieldsDoNotRunIntoEachOther) {
  const KeyIdentity a{1, "ab", "user", "c"};
  const KeyIdentity b{1, "a", "user", "bc"};
  const KeyIdentity c{1, "a", "userb", "c"};
  const auto sealed = seal_key(data_key_, 7, a, kSecret);
  EXPECT_EQ(open(sealed, a), kSecret);
  EXPECT_EQ(failure(sealed, b).code(), ErrorCode::kDecryptionFailed);
  EXPECT_EQ(failure(sealed, c).code(), ErrorCode::kDecryptionFailed);
}

TEST_F(Envelope, AnotherDataKeyFails) {
  Aead other{std::array<std::byte, kKeySize>{std::byte{8}}};
  Secret out(kMaxSecretSize);
  EXPECT_THROW(open_key(other, parse_envelope(sealed_, 42), kIdentity, out.bytes()), Error);
  EXPECT_EQ(out.view(), std::string(kMaxSecretSize, '\0'));
}

TEST_F(Envelope, SaysWhatIsWrongWithItsForm) {
  EXPECT_EQ(failure(std::span(sealed_).first(33)).message(),
            "stored envelope of key 42 is too short");
  EXPECT_EQ(failure(std::span(sealed_).first(33)).detail(),
            "It has 33 bytes, at least 34 are needed.");
  EXPECT_EQ(failure(std::vector<std::byte>(kMaxEnvelopeSize + 1, std::byte{1})).message(),
            "stored envelope of key 42 is too long");
  sealed_[0] = std::byte{2};
  EXPECT_EQ(failure(sealed_).message(), "stored envelope of key 42 is of an unknown version");
}

TEST_F(Envelope, NoTwoSealsShareANonce) {
  std::set<std::string> nonces;
  for (int i = 0; i < 2000; ++i) {
    const auto sealed = seal_key(data_key_, 7, kIdentity, kSecret);
    const auto nonce = parse_envelope(sealed, 42).nonce;
    nonces.emplace(reinterpret_cast<const char*>(nonce.data()), nonce.size());
  }
  EXPECT_EQ(nonces.size(), 2000u);
}

TEST_F(Envelope, RefusesABufferThatIsTooSmall) {
  Secret out(kSecret.size() - 1);
  EXPECT_THROW(open_key(data_key_, parse_envelope(sealed_, 42), kIdentity, out.bytes()), Error);
}

TEST_F(Envelope, SealedAnewOpensUnderTheNewKeyOnly) {
  Aead other{std::array<std::byte, kKeySize>{std::byte{8}}};
  auto envelope = sealed_;
  std::array<std::byte, kNonceSize> nonce;
  random_bytes(nonce);
  reseal_key(data_key_, other, 8, nonce, kIdentity, envelope);

  const EnvelopeView view = parse_envelope(envelope, 42);
  EXPECT_EQ(view.key_number, 8u);
  EXPECT_EQ(envelope.size(), sealed_.size());
  Secret out(view.secret_size());
  open_key(other, view, kIdentity, out.bytes());
  EXPECT_EQ(out.view(), kSecret);
  EXPECT_THROW(open_key(data_key_, view, kIdentity, out.bytes()), Error);
}

TEST_F(Envelope, WhatCannotBeOpenedStaysAsItWas) {
  Aead other{std::array<std::byte, kKeySize>{std::byte{8}}};
  const std::array<std::byte, kNonceSize> nonce{};
  auto damaged = sealed_;
  damaged.back() ^= std::byte{1};
  const auto before = damaged;
  EXPECT_THROW(reseal_key(data_key_, other, 8, nonce, kIdentity, damaged), Error);
  EXPECT_EQ(damaged, before);
  auto whole = sealed_;
  EXPECT_THROW(reseal_key(data_key_, other, 8, nonce, {43, "openai", "user", "u"}, whole), Error);
  EXPECT_EQ(whole, sealed_);
}

TEST(Aad, HasRoomForTheLongestIdentityAndRefusesLonger) {
  const std::string provider(kMaxProviderSize, 'p'), owner(kMaxOwnerSize, 'o');
  std::array<std::byte, kMaxAadSize> out;
  EXPECT_EQ(write_aad({-1, provider, "organization", owner}, out), kMaxAadSize);
  EXPECT_THROW(write_aad({1, provider + "p", "user", "u"}, out), Error);
  EXPECT_THROW(write_aad({1, "openai", "organizations", "u"}, out), Error);
  EXPECT_THROW(write_aad({1, "openai", "user", owner + "o"}, out), Error);
}

}  // namespace
}  // namespace keypool::core
