using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Dnabert2.Server.Http;

/// <summary>
/// Writes vectors a row at a time, as fast as the client reads: no answer is held as text.
/// </summary>
internal static class VectorWriter
{
    private const int FlushBytes = 1 << 15;

    /// <summary>Scales vectors to length 1; one of zeros stays.</summary>
    public static void Normalize(float[][] vectors)
    {
        foreach (float[] vector in vectors)
        {
            float length = TensorPrimitives.Norm<float>(vector);
            if (length > 0) TensorPrimitives.Divide(vector, length, vector);
        }
    }

    /// <summary>Refuses vectors of another width than the model's.</summary>
    /// <exception cref="RequestFault">They are wanted.</exception>
    public static void CheckWidth(int? dimensions, int hidden)
    {
        if (dimensions is { } wanted && wanted != hidden)
            throw RequestFault.Invalid(
                $"dimensions is {wanted}: vectors of this model have {hidden} numbers, and a part of them means nothing", "dimensions");
    }

    /// <summary>The answer of <c>/embed</c>: [[…], …].</summary>
    public static async Task Write(HttpContext http, float[][] vectors, CancellationToken cancellation)
    {
        await using var json = Begin(http);
        json.WriteStartArray();
        foreach (float[] vector in vectors)
        {
            Numbers(json, vector);
            await Pass(http, json, cancellation);
        }

        json.WriteEndArray();
        await json.FlushAsync(cancellation);
    }

    /// <summary>The answer of <c>/v1/embeddings</c>.</summary>
    public static async Task WriteOpenAI(
        HttpContext http, float[][] vectors, bool base64, string model, long tokens, CancellationToken cancellation)
    {
        await using var json = Begin(http);
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        for (int i = 0; i < vectors.Length; i++)
        {
            json.WriteStartObject();
            json.WriteString("object", "embedding");
            json.WriteNumber("index", i);
            json.WritePropertyName("embedding");
            if (base64) json.WriteBase64StringValue(MemoryMarshal.AsBytes<float>(vectors[i]));
            else Numbers(json, vectors[i]);
            json.WriteEndObject();
            await Pass(http, json, cancellation);
        }

        json.WriteEndArray();
        json.WriteString("model", model);
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", tokens);
        json.WriteNumber("total_tokens", tokens);
        json.WriteEndObject();
        json.WriteEndObject();
        await json.FlushAsync(cancellation);
    }

    private static Utf8JsonWriter Begin(HttpContext http)
    {
        http.Response.ContentType = "application/json";
        return new Utf8JsonWriter(http.Response.BodyWriter);
    }

    private static void Numbers(Utf8JsonWriter json, float[] vector)
    {
        json.WriteStartArray();
        foreach (float number in vector) json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    private static async ValueTask Pass(HttpContext http, Utf8JsonWriter json, CancellationToken cancellation)
    {
        if (http.Response.BodyWriter.UnflushedBytes + json.BytesPending < FlushBytes) return;
        json.Flush();
        await http.Response.BodyWriter.FlushAsync(cancellation);
    }
}
