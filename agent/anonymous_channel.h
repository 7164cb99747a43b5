// SPDX-License-Identifier: Apache-2.0
//
// A connection to the controller without a client certificate, for the calls of a machine that has
// none that is good. The controller is recognised by its authority all the same.
#ifndef KEYMEDIC_AGENT_ANONYMOUS_CHANNEL_H_
#define KEYMEDIC_AGENT_ANONYMOUS_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace keymedic::agent {

inline std::shared_ptr<grpc::Channel> AnonymousChannel(const std::string& controller,
                                                       const std::string& ca_pem) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ca_pem;
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  return grpc::CreateCustomChannel(controller, grpc::SslCredentials(tls), args);
}

}  // namespace keymedic::agent

#endif  // KEYMEDIC_AGENT_ANONYMOUS_CHANNEL_H_
