//! Callers as values. Each is an extractor, so a handler that has one has proof.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use wallet_core::ids::AdminId;
use wallet_core::refusal::Refusal;

use super::browsers::{self, Sent};
use super::problem::Problem;
use super::run;
use crate::edge::metrics::Stage;
use crate::flow::Context;
use crate::flow::admin_sessions;
use crate::flow::callers::{self, Device};
use crate::roles::Permission;
use crate::stop::Flow;

/// A relying party that showed a valid API key.
pub struct RelyingParty(pub Arc<callers::RelyingParty>);

/// A relying party, by an API key, or by one of its terminals that proved itself: what a till may do.
pub struct Till(pub Arc<callers::RelyingParty>);

/// A terminal that proved itself.
pub struct Terminal(pub callers::Terminal);

/// A holder's device with a valid access token and a fresh DPoP proof.
pub struct Holder(pub Device);

/// A holder's device, also one whose holder had everything erased.
pub struct HolderOrErased(pub Device);

/// A device that proved its key, and has no token yet.
pub struct NewDevice(pub Device);

/// An admin who may do `A` (`roles.rs`), by a session or by a token. A handler has to say what it does, or it does not compile.
pub struct Admin<A>(pub AdminId, PhantomData<A>);

/// An admin at a browser, whatever their roles.
pub struct SignedIn(pub admin_sessions::SignedIn);

/// A caller and what they sent: the caller is proven first, and nothing of the rest is read for a stranger.
pub struct By<C, B>(pub C, pub B);

impl<C, B> FromRequest for By<C, B>
where
    C: FromRequest<Error = Problem> + 'static,
    B: FromRequest + 'static,
{
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let caller = C::extract(&request).await?;
            let sent = B::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(By(caller, sent))
        })
    }
}

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

fn unauthenticated(why: &'static str) -> Problem {
    Refusal::Unauthenticated { why }.into()
}

fn context(request: &HttpRequest) -> Result<Data<Context>, Problem> {
    request.app_data::<Data<Context>>().cloned().ok_or_else(|| Problem::internal("no context"))
}

/// The credentials of an `Authorization` header with this scheme.
fn credentials(request: &HttpRequest, scheme: &str) -> Option<String> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (found, credentials) = header.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| credentials.trim().to_owned())
}

/// The one DPoP header; more than one is refused (RFC 9449 §4.3, 1).
fn proof(request: &HttpRequest) -> Option<String> {
    let mut headers = request.headers().get_all("DPoP");
    let proof = headers.next()?.to_str().ok()?.to_owned();
    headers.next().is_none().then_some(proof)
}

impl FromRequest for RelyingParty {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (ctx, key) = (context(request), credentials(request, "Bearer"));
        Box::pin(async move {
            let key = key.ok_or_else(|| {
                unauthenticated("send `Authorization: Bearer ek_live_…`, or `ek_test_…` in the sandbox")
            })?;
            let ctx = ctx?;
            let authenticate = async {
                // Most of the time no database is asked, and then no thread that may wait for one is needed.
                match callers::known_relying_party(&ctx, &key) {
                    Some(known) => Ok(known?),
                    None => {
                        let ctx = Data::clone(&ctx);
                        run(ctx, move |ctx| callers::relying_party(ctx, &key)).await
                    }
                }
            };
            let timed = ctx.metrics.stage_async(Stage::AuthenticateRelyingParty, authenticate);
            timed.await.map(RelyingParty)
        })
    }
}

impl<A: Permission> FromRequest for Admin<A> {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let Some(token) = credentials(request, "Bearer") else {
            let signed_in = SignedIn::from_request(request, payload);
            let ctx = context(request);
            return Box::pin(async move {
                let (ctx, SignedIn(signed_in)) = (ctx?, signed_in.await?);
                Ok(Admin(admin_sessions::permitted(&ctx, &signed_in, A::ACT)?, PhantomData))
            });
        };
        let ctx = context(request);
        Box::pin(async move {
            let prove = move |ctx: &Context| {
                let prove = || admin_sessions::permitted_by_token(ctx, &token, A::ACT);
                ctx.metrics.stage(Stage::AuthenticateAdmin, prove)
            };
            Ok(Admin(run(ctx?, prove).await?, PhantomData))
        })
    }
}

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (ctx, sent) = (context(request), Sent::of(request));
        let ours = ctx.as_ref().ok().map_or(Ok(()), |ctx| browsers::ensure_ours(request, ctx));
        Box::pin(async move {
            let cookie = sent.cookie.ok_or_else(|| {
                unauthenticated("sign in with a passkey, or send `Authorization: Bearer ea_…`")
            })?;
            let prove = move |ctx: &Context| {
                let csrf = sent.csrf.as_ref().map(Option::as_deref);
                let prove = || admin_sessions::by_cookie(ctx, &cookie, csrf);
                ctx.metrics.stage(Stage::AuthenticateAdmin, prove)
            };
            let signed_in = run(ctx?, prove).await?;
            ours?;
            Ok(SignedIn(signed_in))
        })
    }
}

impl FromRequest for Holder {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let device = device(request, callers::holder);
        Box::pin(async move { device.await.map(Holder) })
    }
}

impl FromRequest for HolderOrErased {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let device = device(request, callers::holder_or_erased);
        Box::pin(async move { device.await.map(HolderOrErased) })
    }
}

/// Finds a device by its token and its proof.
type FindDevice = fn(&Context, &str, &str, &str, &str) -> Flow<Device>;

fn device(request: &HttpRequest, find: FindDevice) -> Extraction<Device> {
    let (ctx, token, proof) = (context(request), credentials(request, "DPoP"), proof(request));
    let (method, path) = (request.method().to_string(), request.path().to_owned());
    Box::pin(async move {
        let token = token.ok_or_else(|| unauthenticated("send `Authorization: DPoP …`"))?;
        let proof = proof.ok_or_else(|| unauthenticated("send one DPoP proof"))?;
        let device = run(ctx?, move |ctx| {
            let url = format!("{}{path}", ctx.public_url);
            ctx.metrics.stage(Stage::AuthenticateHolder, || find(ctx, &token, &proof, &method, &url))
        });
        device.await
    })
}

impl FromRequest for Terminal {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (ctx, token, proof) = (context(request), credentials(request, "DPoP"), proof(request));
        let (method, path) = (request.method().to_string(), request.path().to_owned());
        Box::pin(async move {
            let token = token.ok_or_else(|| unauthenticated("send `Authorization: DPoP …`"))?;
            let proof = proof.ok_or_else(|| unauthenticated("send one DPoP proof"))?;
            let terminal = run(ctx?, move |ctx| {
                let url = format!("{}{path}", ctx.public_url);
                let prove = || callers::terminal(ctx, &token, &proof, &method, &url);
                ctx.metrics.stage(Stage::AuthenticateRelyingParty, prove)
            });
            terminal.await.map(Terminal)
        })
    }
}

impl FromRequest for Till {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if credentials(request, "DPoP").is_some() {
            let terminal = Terminal::from_request(request, payload);
            Box::pin(async move { Ok(Till(terminal.await?.0.rp)) })
        } else {
            let rp = RelyingParty::from_request(request, payload);
            Box::pin(async move { Ok(Till(rp.await?.0)) })
        }
    }
}

impl FromRequest for NewDevice {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (ctx, proof) = (context(request), proof(request));
        let (method, path) = (request.method().to_string(), request.path().to_owned());
        Box::pin(async move {
            let proof = proof.ok_or_else(|| unauthenticated("send one DPoP proof"))?;
            let device = run(ctx?, move |ctx| {
                let url = format!("{}{path}", ctx.public_url);
                ctx.metrics
                    .stage(Stage::AuthenticateNewDevice, || callers::new_device(ctx, &proof, &method, &url))
            });
            device.await.map(NewDevice)
        })
    }
}
