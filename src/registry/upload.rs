//! Uploads of files.

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use tokio::time::timeout;
use url::Url;

use super::phase::Upload;
use super::{ByteCounter, IdToken, Operation, Registry, RegistryError, body, is_success};
use crate::checksum::Sha256;
use crate::files::Content;
use crate::package::FileName;

impl Registry<'_> {
    /// Uploads a file without retries. Returns the hash of the uploaded bytes. Only 201 is a success. `sent` counts the
    /// bytes.
    pub(crate) async fn upload(
        &self,
        content: &Content,
        name: &FileName,
        sent: &ByteCounter,
    ) -> Result<Sha256, RegistryError> {
        let url = self.target.file_url(name);
        let operation = Operation::Upload(name.clone());
        self.wait_until_ready(&operation, &url).await?;
        self.with_id_token(&operation, async |id_token| {
            self.upload_with(content, &operation, &url, sent, id_token).await
        })
        .await
    }

    /// Uploads a file with that ID token, if it is given.
    async fn upload_with(
        &self,
        content: &Content,
        operation: &Operation,
        url: &Url,
        sent: &ByteCounter,
        id_token: Option<&IdToken>,
    ) -> Result<Sha256, RegistryError> {
        sent.set_start(0);
        if content.size() == 0 {
            // hyper never polls an empty body, so the file is checked first to be still empty.
            let still_empty = content.hash(self.connection.limits.stall_timeout).await;
            still_empty.map_err(|error| self.error(operation, url, error))?;
        }
        let (body, mut outcome) = body::read(content.clone(), sent.clone());
        let request = self
            .build_request(operation, url, id_token)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .header(CONTENT_LENGTH, content.size())
            .body(reqwest::Body::wrap_stream(body));
        let upload = Some(Upload { sent, size: content.size() });
        match self.send(operation, url, request, upload, is_success(operation)).await {
            Ok(_) => match timeout(self.connection.limits.stall_timeout, &mut outcome).await {
                Ok(Ok(sent)) => sent.map_err(|error| self.error(operation, url, error)),
                // The response came before the end of the file, so it cannot confirm the whole file.
                Ok(Err(_)) | Err(_) => {
                    Err(self.unexpected_response(operation, url, "201 Created before the end of the file"))
                }
            },
            // If reading the file failed, that is the cause of the broken upload.
            Err(error) => Err(match outcome.try_recv() {
                Ok(Err(fault)) => self.error(operation, url, fault),
                _ => error,
            }),
        }
    }
}
