using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dnabert2.Server.Serving;
using Microsoft.Net.Http.Headers;

namespace Dnabert2.Server.Http;

/// <summary>Reads the body of a request, within the memory that there is for it.</summary>
internal static class Body
{
    // A byte of JSON becomes a character of a string, a letter of the reader's text and of its record, and token ids of four bytes each, of
    // which k-mers have one for each base.
    private const int Growth = 10;
    private const int First = 1 << 14;

    /// <summary>Reads it as JSON.</summary>
    /// <param name="request">The request.</param>
    /// <param name="type">What it is.</param>
    /// <param name="admitted">What takes the memory for it.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="RequestFault">It is not JSON, not of that form, or there is no memory for it.</exception>
    /// <exception cref="BadHttpRequestException">It is too large, too slow, or broken.</exception>
    public static async Task<T> Read<T>(
        HttpRequest request, JsonTypeInfo<T> type, Admission.Admitted admitted, CancellationToken cancellation)
    {
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? media)
            || !media.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
            throw new RequestFault(
                StatusCodes.Status415UnsupportedMediaType, FaultKind.Validation, "the body is to be JSON: Content-Type: application/json");
        if (request.Headers.ContentEncoding.Count > 0)
            throw new RequestFault(
                StatusCodes.Status415UnsupportedMediaType, FaultKind.Validation, "the body is not to be compressed");
        byte[] bytes = ArrayPool<byte>.Shared.Rent(First);
        try
        {
            int length = 0;
            while (true)
            {
                admitted.ReserveUpTo((long)Growth * bytes.Length);
                int read = await request.Body.ReadAsync(bytes.AsMemory(length), cancellation);
                if (read == 0) break;
                length += read;
                if (length < bytes.Length) continue;
                byte[] larger = ArrayPool<byte>.Shared.Rent(2 * bytes.Length);
                bytes.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(bytes);
                bytes = larger;
            }

            return JsonSerializer.Deserialize(bytes.AsSpan(0, length), type)
                ?? throw RequestFault.Invalid("the body is null, expected an object");
        }
        catch (JsonException e)
        {
            throw RequestFault.Invalid($"the body is not the JSON that is expected: {e.Message}");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}
