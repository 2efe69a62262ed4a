//! The settings of connections that become something else.

use super::{PerimeterBuilder, PerimeterSettings, shown};

impl PerimeterBuilder {
    /// A route whose handler may answer 101 and go on in another protocol, such as WebSocket. None
    /// by default. By the exact route that axum has matched, or the exact path; `GET` over HTTP/1.1.
    ///
    /// What goes on in such a connection no layer sees, so its handler ends it: it asks for
    /// [`Session::ended`](crate::session::Session::ended) (or runs all of it with
    /// [`run`](crate::session::Session::run)) before it answers, and closes the connection when that
    /// completes, which here is also when the credential of this request is over. A 101 of a handler
    /// that has not asked is answered 500 in its place, with a log that says so; and so is one to a
    /// caller without a session. It needs a [`session`](crate::session) layer.
    ///
    /// ```
    /// use http::{Request, Response, StatusCode};
    /// use portcullis::Session;
    ///
    /// /// The head of the answer; `speak` has the connection.
    /// async fn upgrade(session: Session, speak: impl Future<Output = ()> + Send + 'static) -> Response<String> {
    ///     let ended = session.run(speak);
    ///     tokio::spawn(async move { let _ = ended.await; });
    ///     let mut response = Response::new(String::new());
    ///     *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    ///     response
    /// }
    /// ```
    ///
    /// ```
    /// use portcullis::{Stack, perimeter::PerimeterLayer, session::SessionLayer};
    /// # use portcullis::{Authenticator, Check, Description, RequestView, Verdict};
    /// # struct Keys;
    /// # impl Authenticator for Keys {
    /// #     fn describe(&self) -> Description { Description::bearer("keys") }
    /// #     fn check(&self, _: &RequestView<'_>) -> Check<Verdict> { Check::Done(Verdict::Absent) }
    /// # }
    ///
    /// let (gate, handle) = Stack::builder()
    ///     .with_resource("https://agent.example/")
    ///     .add_authenticator(Keys)
    ///     .with_session(SessionLayer::builder())
    ///     .with_perimeter(PerimeterLayer::builder().add_upgrade_route("/live"))
    ///     .build()?;
    /// # let _ = (gate, handle);
    /// # Ok::<(), portcullis::ConfigErrors>(())
    /// ```
    pub fn add_upgrade_route(mut self, route: impl Into<Box<str>>) -> Self {
        let route = route.into();
        let result = match route.starts_with('/') && !route.contains('*') {
            true => Ok(()),
            false => Err(format!(
                "`{}` is no exact route; give one that starts with `/`, without `*`",
                shown(&route),
            )),
        };
        self.settings.note("add_upgrade_route", result);
        self.settings.upgrades.push(route);
        self
    }
}

impl PerimeterSettings {
    /// Whether a handler may go on in another protocol.
    pub(crate) fn has_upgrades(&self) -> bool {
        !self.upgrades.is_empty()
    }
}
