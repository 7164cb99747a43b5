// SPDX-License-Identifier: Apache-2.0
#include "base/x509.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace keymedic::x509 {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, Freer<X509_free>>;
using ReqPtr = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using AddressPtr = std::unique_ptr<ASN1_OCTET_STRING, Freer<ASN1_OCTET_STRING_free>>;

absl::Status OpensslError(absl::string_view what) {
  std::string reasons;
  while (const unsigned long code = ERR_get_error()) {
    absl::StrAppend(
        &reasons, reasons.empty() ? "" : "; ",
        ERR_reason_error_string(code) != nullptr ? ERR_reason_error_string(code) : "unknown");
  }
  return absl::InternalError(absl::StrCat(what, reasons.empty() ? "" : ": ", reasons));
}

BioPtr ReadBio(absl::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string TakeBio(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<KeyPtr> ParseKey(absl::string_view pem) {
  ERR_clear_error();
  KeyPtr key(PEM_read_bio_PrivateKey(ReadBio(pem).get(), nullptr, nullptr, nullptr));
  if (key == nullptr) return absl::InvalidArgumentError("this is no private key in PEM form");
  return key;
}

absl::StatusOr<CertPtr> ParseCert(absl::string_view pem) {
  ERR_clear_error();
  CertPtr cert(PEM_read_bio_X509(ReadBio(pem).get(), nullptr, nullptr, nullptr));
  if (cert == nullptr) return absl::InvalidArgumentError("this is no certificate in PEM form");
  return cert;
}

std::string CertToPem(X509* cert) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), cert);
  return TakeBio(bio.get());
}

absl::Status AddName(X509_NAME* name, absl::string_view common_name) {
  if (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) != 1) {
    return OpensslError(
        absl::StrCat("cannot use the name '", common_name, "' (at most 64 characters)"));
  }
  return absl::OkStatus();
}

absl::Status AddExtension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (extension == nullptr || X509_add_ext(cert, extension.get(), -1) != 1) {
    return OpensslError(absl::StrCat("cannot put '", value, "' into a certificate"));
  }
  return absl::OkStatus();
}

// Names go into OpenSSL's little configuration language: nothing that has a meaning there may pass.
absl::Status CheckPlain(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isgraph(c) || c == ',' || c == ';' || c == '"' || c == '\\' || c == '#' ||
        c == '=') {
      return absl::InvalidArgumentError(
          absl::StrCat("'", absl::CHexEscape(text), "' cannot be a name in a certificate"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AlternativeNames(const Issue& issue) {
  std::vector<std::string> names;
  KM_RETURN_IF_ERROR(CheckPlain(issue.uri));
  if (!issue.uri.empty()) names.push_back(absl::StrCat("URI:", issue.uri));
  for (const std::string& name : issue.dns_names) {
    KM_RETURN_IF_ERROR(CheckPlain(name));
    const AddressPtr address(a2i_IPADDRESS(name.c_str()));
    names.push_back(absl::StrCat(address != nullptr ? "IP:" : "DNS:", name));
  }
  return absl::StrJoin(names, ",");
}

// A certificate without extensions and signature.
absl::StatusOr<CertPtr> NewCert(EVP_PKEY* public_key, absl::string_view common_name,
                                X509_NAME* issuer, absl::Time not_before, absl::Time not_after) {
  CertPtr cert(X509_new());
  X509_set_version(cert.get(), 2);  // v3
  unsigned char serial[16];
  if (RAND_bytes(serial, sizeof(serial)) != 1)
    return OpensslError("no randomness for a serial number");
  serial[0] &= 0x7f;
  std::unique_ptr<BIGNUM, Freer<BN_free>> number(BN_bin2bn(serial, sizeof(serial), nullptr));
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert.get()));
  ASN1_TIME_set(X509_getm_notBefore(cert.get()), absl::ToTimeT(not_before));
  ASN1_TIME_set(X509_getm_notAfter(cert.get()), absl::ToTimeT(not_after));
  KM_RETURN_IF_ERROR(AddName(X509_get_subject_name(cert.get()), common_name));
  X509_set_issuer_name(cert.get(), issuer != nullptr ? issuer : X509_get_subject_name(cert.get()));
  if (X509_set_pubkey(cert.get(), public_key) != 1)
    return OpensslError("cannot use that public key");
  return cert;
}

absl::StatusOr<std::string> Sign(EVP_PKEY* public_key, const Issue& issue, absl::string_view ca_pem,
                                 absl::string_view ca_key_pem) {
  KM_ASSIGN_OR_RETURN(CertPtr ca, ParseCert(ca_pem));
  KM_ASSIGN_OR_RETURN(KeyPtr ca_key, ParseKey(ca_key_pem));
  KM_ASSIGN_OR_RETURN(CertPtr cert,
                      NewCert(public_key, issue.common_name, X509_get_subject_name(ca.get()),
                              issue.not_before, issue.not_after));
  KM_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(issue));
  KM_RETURN_IF_ERROR(
      AddExtension(cert.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE"));
  KM_RETURN_IF_ERROR(
      AddExtension(cert.get(), ca.get(), NID_key_usage, "critical,digitalSignature"));
  KM_RETURN_IF_ERROR(AddExtension(cert.get(), ca.get(), NID_ext_key_usage,
                                  issue.server ? "serverAuth" : "clientAuth"));
  KM_RETURN_IF_ERROR(AddExtension(cert.get(), ca.get(), NID_authority_key_identifier, "keyid"));
  if (!names.empty())
    KM_RETURN_IF_ERROR(AddExtension(cert.get(), ca.get(), NID_subject_alt_name, names));
  if (X509_sign(cert.get(), ca_key.get(), EVP_sha256()) == 0)
    return OpensslError("cannot sign a certificate");
  return CertToPem(cert.get());
}

std::string Fingerprint(X509* cert) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  X509_digest(cert, EVP_sha256(), digest, &size);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), size));
}

absl::Time ToTime(const ASN1_TIME* time) {
  std::tm tm{};
  if (ASN1_TIME_to_tm(time, &tm) != 1) return absl::InfinitePast();
  return absl::FromTM(tm, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<std::string> GenerateKeyPem() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpensslError("cannot make a key");
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return OpensslError("cannot write a key");
  return TakeBio(bio.get());
}

absl::StatusOr<std::string> MakeCsrPem(absl::string_view key_pem, absl::string_view common_name) {
  KM_ASSIGN_OR_RETURN(KeyPtr key, ParseKey(key_pem));
  ReqPtr request(X509_REQ_new());
  KM_RETURN_IF_ERROR(AddName(X509_REQ_get_subject_name(request.get()), common_name));
  X509_REQ_set_pubkey(request.get(), key.get());
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0)
    return OpensslError("cannot sign a certificate request");
  BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  return TakeBio(bio.get());
}

absl::StatusOr<std::string> MakeCaPem(absl::string_view key_pem, absl::string_view common_name,
                                      absl::Time not_before, absl::Time not_after) {
  KM_ASSIGN_OR_RETURN(KeyPtr key, ParseKey(key_pem));
  KM_ASSIGN_OR_RETURN(CertPtr cert,
                      NewCert(key.get(), common_name, nullptr, not_before, not_after));
  KM_RETURN_IF_ERROR(
      AddExtension(cert.get(), cert.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  KM_RETURN_IF_ERROR(
      AddExtension(cert.get(), cert.get(), NID_key_usage, "critical,keyCertSign,cRLSign"));
  KM_RETURN_IF_ERROR(AddExtension(cert.get(), cert.get(), NID_subject_key_identifier, "hash"));
  if (X509_sign(cert.get(), key.get(), EVP_sha256()) == 0)
    return OpensslError("cannot sign the certificate authority");
  return CertToPem(cert.get());
}

absl::StatusOr<std::string> SignCsrPem(absl::string_view csr_pem, const Issue& issue,
                                       absl::string_view ca_pem, absl::string_view ca_key_pem) {
  ERR_clear_error();
  ReqPtr request(PEM_read_bio_X509_REQ(ReadBio(csr_pem).get(), nullptr, nullptr, nullptr));
  if (request == nullptr)
    return absl::InvalidArgumentError("this is no certificate request in PEM form");
  KeyPtr key(X509_REQ_get_pubkey(request.get()));
  if (key == nullptr || X509_REQ_verify(request.get(), key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the certificate request is not signed by its own key");
  }
  return Sign(key.get(), issue, ca_pem, ca_key_pem);
}

absl::StatusOr<std::string> SignKeyPem(absl::string_view key_pem, const Issue& issue,
                                       absl::string_view ca_pem, absl::string_view ca_key_pem) {
  KM_ASSIGN_OR_RETURN(KeyPtr key, ParseKey(key_pem));
  return Sign(key.get(), issue, ca_pem, ca_key_pem);
}

absl::StatusOr<Info> Inspect(absl::string_view pem) {
  KM_ASSIGN_OR_RETURN(CertPtr cert, ParseCert(pem));
  Info info;
  info.fingerprint_sha256 = Fingerprint(cert.get());
  info.not_before = ToTime(X509_get0_notBefore(cert.get()));
  info.not_after = ToTime(X509_get0_notAfter(cert.get()));
  char name[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(cert.get()), NID_commonName, name, sizeof(name));
  info.common_name = name;
  std::unique_ptr<BIGNUM, Freer<BN_free>> serial(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert.get()), nullptr));
  std::unique_ptr<char, void (*)(char*)> hex(BN_bn2hex(serial.get()),
                                             [](char* p) { OPENSSL_free(p); });
  info.serial = absl::AsciiStrToLower(hex.get());
  std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(cert.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(names.get(), i);
    if (entry->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = entry->d.uniformResourceIdentifier;
    info.uri.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                    static_cast<size_t>(ASN1_STRING_length(uri)));
    break;
  }
  return info;
}

bool KeyMatches(absl::string_view key_pem, absl::string_view certificate_pem) {
  auto key = ParseKey(key_pem);
  auto cert = ParseCert(certificate_pem);
  return key.ok() && cert.ok() && X509_check_private_key(cert->get(), key->get()) == 1;
}

absl::Status CheckIssuedBy(absl::string_view certificate_pem, absl::string_view ca_pem) {
  KM_ASSIGN_OR_RETURN(CertPtr cert, ParseCert(certificate_pem));
  KM_ASSIGN_OR_RETURN(CertPtr ca, ParseCert(ca_pem));
  std::unique_ptr<X509_STORE, Freer<X509_STORE_free>> store(X509_STORE_new());
  std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  if (store == nullptr || context == nullptr || X509_STORE_add_cert(store.get(), ca.get()) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), cert.get(), nullptr) != 1) {
    return OpensslError("cannot check a certificate");
  }
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_NO_CHECK_TIME);
  X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_CLIENT);
  if (X509_verify_cert(context.get()) == 1) return absl::OkStatus();
  ERR_clear_error();
  return absl::PermissionDeniedError(
      absl::StrCat("this certificate is not one of this estate: ",
                   X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()))));
}

absl::StatusOr<std::string> SignBytes(absl::string_view key_pem, absl::string_view bytes) {
  KM_ASSIGN_OR_RETURN(KeyPtr key, ParseKey(key_pem));
  const DigestPtr digest(EVP_MD_CTX_new());
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t size = 0;
  if (digest == nullptr ||
      EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(digest.get(), nullptr, &size, data, bytes.size()) != 1) {
    return OpensslError("cannot sign with this key");
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data,
                     bytes.size()) != 1) {
    return OpensslError("cannot sign with this key");
  }
  signature.resize(size);
  return signature;
}

bool IsSignedBy(absl::string_view certificate_pem, absl::string_view bytes,
                absl::string_view signature) {
  const auto cert = ParseCert(certificate_pem);
  if (!cert.ok()) return false;
  const DigestPtr digest(EVP_MD_CTX_new());
  EVP_PKEY* key = X509_get0_pubkey(cert->get());
  const bool good =
      digest != nullptr && key != nullptr &&
      EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
      EVP_DigestVerify(digest.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                       bytes.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace keymedic::x509
