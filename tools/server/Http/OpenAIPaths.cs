namespace Dnabert2.Server.Http;

/// <summary>Which errors have OpenAI's form.</summary>
internal static class OpenAIPaths
{
    /// <summary>Whether a request is one of OpenAI's clients.</summary>
    public static bool Has(HttpContext http) => http.Request.Path.StartsWithSegments("/v1") || http.Request.Path == "/embeddings";
}
