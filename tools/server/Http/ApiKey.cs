using System.Security.Cryptography;
using System.Text;

namespace Dnabert2.Server.Http;

/// <summary>Refuses requests without the key, where there is one. As with text-embeddings-inference, health and metrics are open.</summary>
internal sealed class ApiKey(RequestDelegate next, ServerOptions options)
{
    private const string Scheme = "Bearer ";
    private static readonly string[] Open = ["/health", "/metrics", "/", "/page.js", "/page.css", "/openapi.json"];
    private readonly byte[]? _hash = options.ApiKey is { } key ? SHA256.HashData(Encoding.UTF8.GetBytes(key)) : null;

    /// <summary>Passes a request on, or refuses it.</summary>
    public Task InvokeAsync(HttpContext http)
    {
        bool isOpen = HttpMethods.IsGet(http.Request.Method) && Open.Contains(http.Request.Path.Value);
        if (_hash is null || isOpen || IsRight(http.Request.Headers.Authorization)) return next(http);
        var fault = new RequestFault(StatusCodes.Status401Unauthorized, FaultKind.Authentication, "Authorization: Bearer KEY is wanted")
        {
            Code = "invalid_api_key",
        };
        return ComputeRoute.Write(http, fault, OpenAIPaths.Has(http));
    }

    private bool IsRight(string? header) => header is not null && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
        && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(header[Scheme.Length..].Trim())), _hash!);
}
