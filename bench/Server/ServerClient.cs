using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Bench.Server;

/// <summary>What a server answered.</summary>
internal readonly record struct Answer(int Status, byte[] Content, string? RetryAfter)
{
    public void Expect(int status)
    {
        if (Status != status) throw new InvalidOperationException($"status {Status}: {Encoding.UTF8.GetString(Content)}");
    }

    /// <summary>The vectors of <c>/v1/embeddings</c> in base64.</summary>
    public float[][] Vectors()
    {
        using JsonDocument json = JsonDocument.Parse(Content);
        return [.. json.RootElement.GetProperty("data").EnumerateArray().Select(
            row => MemoryMarshal.Cast<byte, float>(row.GetProperty("embedding").GetBytesFromBase64()).ToArray())];
    }
}

/// <summary>A client of a server, for any number of requests at once.</summary>
internal sealed class ServerClient(Uri url, int connections) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = connections })
    {
        BaseAddress = url,
        Timeout = TimeSpan.FromMinutes(2),
    };

    /// <summary>A request as OpenAI's Python client makes it.</summary>
    public static string Body(string[] sequences) =>
        JsonSerializer.Serialize(new { input = sequences, model = "dnabert2", encoding_format = "base64" });

    public async Task<Answer> EmbedAsync(string body, CancellationToken cancellation = default)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await _http.PostAsync("/v1/embeddings", content, cancellation);
        return new Answer((int)answer.StatusCode, await answer.Content.ReadAsByteArrayAsync(cancellation),
            answer.Headers.RetryAfter?.ToString());
    }

    /// <summary>The value of a metric.</summary>
    public async Task<double> MetricAsync(string name)
    {
        string all = await _http.GetStringAsync("/metrics");
        string line = all.Split('\n').First(l => l.StartsWith(name + "{", StringComparison.Ordinal));
        return double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>A connection that sends bytes as they stand.</summary>
    public async Task<Socket> ConnectAsync(string bytes)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(url.Host), url.Port));
        await socket.SendAsync(Encoding.Latin1.GetBytes(bytes));
        return socket;
    }

    public void Dispose() => _http.Dispose();
}
