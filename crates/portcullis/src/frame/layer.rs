//! Layers and services that are a shell and nothing else.

/// A service of ours: its type, its accessors and what it is to Tower. It says which bodies it
/// is made with, and what the inner service is given.
macro_rules! shell_service {
    ($(#[$doc:meta])* pub struct $service:ident<S>: $bodies:ident -> $body:ty;) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $service<S> {
            pub(super) shell: $crate::frame::Shell<S, $crate::frame::$bodies>,
        }

        impl<S> $service<S> {
            /// The inner service.
            pub fn get_ref(&self) -> &S {
                self.shell.get_ref()
            }

            /// The inner service.
            pub fn get_mut(&mut self) -> &mut S {
                self.shell.get_mut()
            }

            /// The inner service.
            pub fn into_inner(self) -> S {
                self.shell.into_inner()
            }
        }

        impl<S, B, R> ::tower_service::Service<::http::Request<B>> for $service<S>
        where
            $crate::frame::$bodies: $crate::frame::RequestBodies<B, Body = $body>,
            S: ::tower_service::Service<::http::Request<$body>, Response = ::http::Response<R>>
                + Clone,
        {
            type Response = ::http::Response<$crate::frame::ResponseBody<R>>;
            type Error = S::Error;
            type Future = $crate::frame::ResponseFuture<S, B, $crate::frame::$bodies>;

            fn poll_ready(
                &mut self,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<Result<(), S::Error>> {
                ::tower_service::Service::<::http::Request<B>>::poll_ready(&mut self.shell, cx)
            }

            fn call(&mut self, request: ::http::Request<B>) -> Self::Future {
                self.shell.call(request)
            }
        }
    };
}

/// A layer that is its steps, beside the service that it adds.
macro_rules! shell_layer {
    (
        $(#[$doc:meta])* pub struct $layer:ident -> $service:ident;
        $(#[$builder_doc:meta])* pub fn builder() -> $builder:ident;
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[must_use = "a layer does nothing until it is added to a service"]
        pub struct $layer {
            steps: $crate::frame::CurrentSteps,
        }

        impl $layer {
            pub(super) fn new(steps: ::std::sync::Arc<$crate::frame::Steps>) -> Self {
                Self {
                    steps: $crate::frame::CurrentSteps::new(steps),
                }
            }

            $(#[$builder_doc])*
            pub fn builder() -> $builder {
                $builder::new()
            }

            /// How many decisions there were, where this is the outermost of our layers.
            #[must_use]
            pub fn stats(&self) -> $crate::audit::Stats {
                self.steps.load().stats()
            }
        }

        impl<S> ::tower_layer::Layer<S> for $layer {
            type Service = $service<S>;

            fn layer(&self, inner: S) -> $service<S> {
                $service {
                    shell: $crate::frame::Shell::new(inner, self.steps.clone()),
                }
            }
        }
    };
}

pub(crate) use {shell_layer, shell_service};
