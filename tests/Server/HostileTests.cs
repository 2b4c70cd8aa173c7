using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Dnabert2.Server;
using Tests.Training;

namespace Tests.Server;

/// <summary>What reaches a server from whoever likes to: each is answered or cut off, and the next client is served.</summary>
public sealed class HostileTests : IAsyncLifetime
{
    private static readonly ServerOptions Options = new()
    {
        MaxBodyBytes = 100_000,
        MaxClientBatch = 100,
        MaxMemoryBytes = 2_000_000,
        MaxRequests = 8,
        Timeout = TimeSpan.FromSeconds(20),
    };

    private RunningServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await RunningServer.Start(Options);

    public async ValueTask DisposeAsync()
    {
        await _server.IsSound();
        await _server.DisposeAsync();
    }

    public static TheoryData<string, int, string> Bodies => new()
    {
        { "", 422, "not the JSON" },
        { "null", 422, "null" },
        { "[]", 422, "not the JSON" },
        { "{", 422, "not the JSON" },
        { """{"inputs":"ACGT",}""", 422, "not the JSON" },
        { """{"inputs":"ACGT"} x""", 422, "not the JSON" },
        { """{"inputs":"ACGT","inputs":"GG"}""", 422, "not the JSON" },
        { """{"inputs":"ACGT" /* why */}""", 422, "not the JSON" },
        { """{"Inputs":"ACGT"}""", 422, "inputs" },
        { """{"inputs":7}""", 422, "expected a sequence" },
        { """{"inputs":["ACGT",7]}""", 422, "expected a sequence" },
        { """{"inputs":[["ACGT"]]}""", 422, "expected a sequence" },
        { """{"inputs":{"a":"ACGT"}}""", 422, "expected a sequence" },
        { """{"inputs":"ACGT","truncate":"yes"}""", 422, "truncate" },
        { """{"inputs":"ACGT","dimensions":1e99}""", 422, "dimensions" },
        { """{"inputs":[]}""", 400, "inputs is empty" },
        { """{"inputs":""}""", 400, "inputs[0] is empty" },
        { """{"inputs":["ACGT","  "]}""", 400, "inputs[1] is empty" },
        { """{"inputs":["ACGT","AC-GT"]}""", 422, "inputs[1] has '-' at place 2" },
        { """{"inputs":"AC\nGT"}""", 422, "U+000A" },
        { """{"inputs":"AC\u0000GT"}""", 422, "U+0000" },
        { """{"inputs":"\ud800"}""", 422, "not the JSON" },
        { """{"inputs":"АСGT"}""", 422, "U+0410" },
        { """{"inputs":"\u001f\u008b\b\u0000"}""", 422, "U+001F" },
        { """{"inputs":"NNNN"}""", 422, "inputs[0] has no A, C, G or T" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_body_that_makes_no_sense_is_refused_with_what_is_wrong(string body, int status, string error)
    {
        (int code, string message, _) = await RunningServer.ErrorOf(await _server.Post("/embed", body));
        Assert.Equal(status, code);
        Assert.Contains(error, message, StringComparison.Ordinal);
        Assert.NotEqual(HttpStatusCode.InternalServerError, (await _server.Post("/predict", body)).StatusCode);
        Assert.NotEqual(HttpStatusCode.InternalServerError, (await _server.Post("/tokenize", body)).StatusCode);
        Assert.NotEqual(HttpStatusCode.InternalServerError, (await _server.Post("/attribute", body)).StatusCode);
        Assert.NotEqual(HttpStatusCode.InternalServerError, (await _server.Post("/v1/embeddings", body)).StatusCode);
    }

    [Fact]
    public async Task What_is_nested_without_end_or_is_not_text_is_refused()
    {
        Assert.Equal(422, (await RunningServer.ErrorOf(await _server.Post("/embed", "{\"inputs\":" + new string('[', 50_000)))).Status);
        var bytes = new ByteArrayContent([(byte)'{', (byte)'"', 0xFF, 0xC0, 0x80, (byte)'"', (byte)'}']);
        bytes.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        Assert.Equal(422, (await RunningServer.ErrorOf(await _server.Client.PostAsync("/embed", bytes))).Status);
    }

    [Fact]
    public async Task More_than_is_taken_at_once_is_refused()
    {
        string many = string.Join(',', Enumerable.Repeat("\"ACGT\"", 101));
        (int status, string error, _) = await RunningServer.ErrorOf(await _server.Post("/embed", $"{{\"inputs\":[{many}]}}"));
        Assert.Equal((413, "batch size 101 > maximum allowed batch size 100; send fewer sequences at once"), (status, error));
        string pairs = string.Join(',', Enumerable.Repeat("[\"ACGT\"]", 101));
        Assert.NotEqual(200, (int)(await _server.Post("/predict", $"{{\"inputs\":[{pairs}]}}")).StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_body_that_is_too_large_is_refused_also_where_its_length_is_not_said(bool chunked)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/embed")
        {
            Content = new StringContent($"{{\"inputs\":\"{new string('A', 150_000)}\"}}", Encoding.UTF8, "application/json"),
        };
        request.Headers.TransferEncodingChunked = chunked;
        (int status, string error, string type) = await RunningServer.ErrorOf(await _server.Client.SendAsync(request));
        Assert.Equal((413, "the body has more than 100,000 bytes; send fewer sequences at once", "Validation"), (status, error, type));
    }

    [Fact]
    public async Task A_length_of_gigabytes_costs_nothing()
    {
        using TcpClient client = await _server.Connect(Head(length: "99999999999"));
        Assert.StartsWith("HTTP/1.1 413", await Line(client));
    }

    [Fact]
    public async Task Memory_that_all_requests_take_together_is_bounded()
    {
        // Each has sent as much as it may, and goes on saying that there is more.
        List<TcpClient> clients = [];
        for (int i = 0; i < 4; i++) clients.Add(await _server.Connect(Head(length: "99999") + new string(' ', 60_000)));
        await RunningServer.Until(() => clients.Any(client => client.Available > 0));
        Assert.InRange(_server.Admission.Bytes, 1, Options.MaxMemoryBytes);
        int refused = 0;
        foreach (TcpClient client in clients.Where(c => c.Available > 0))
            refused += (await Line(client)).StartsWith("HTTP/1.1 429", StringComparison.Ordinal) ? 1 : 0;
        Assert.InRange(refused, 1, 3);
        clients.ForEach(client => client.Dispose());
    }

    [Theory]
    [InlineData("text/plain", null)]
    [InlineData(null, null)]
    [InlineData("application/x-www-form-urlencoded", null)]
    [InlineData("application/json", "gzip")]
    public async Task Only_plain_json_is_read(string? type, string? encoding)
    {
        var content = new ByteArrayContent(Encoding.ASCII.GetBytes("""{"inputs":"ACGT"}"""));
        if (type is not null) content.Headers.ContentType = new MediaTypeHeaderValue(type);
        if (encoding is not null) content.Headers.ContentEncoding.Add(encoding);
        foreach (string path in (string[])["/embed", "/tokenize"])
            Assert.Equal(415, (await RunningServer.ErrorOf(await _server.Client.PostAsync(path, content))).Status);
    }

    [Theory]
    [InlineData("GET", "/embed", 405)]
    [InlineData("POST", "/nowhere", 404)]
    [InlineData("DELETE", "/info", 405)]
    [InlineData("POST", "/embed/../../etc/passwd", 404)]
    public async Task Other_methods_and_paths_are_errors_in_json(string method, string path, int status)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        Assert.Equal(status, (await RunningServer.ErrorOf(await _server.Client.SendAsync(request))).Status);
    }

    [Theory]
    [InlineData("\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n")]
    [InlineData("GET / HTTP/9.9\r\n\r\n")]
    [InlineData("POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")]
    public async Task What_is_not_http_is_cut_off(string text)
    {
        using TcpClient client = await _server.Connect(text);
        string line = await Line(client);
        Assert.True(line.Length == 0 || line[9] is '4' or '5', line);
    }

    [Fact]
    public async Task Headers_without_end_are_cut_off()
    {
        using TcpClient client = await _server.Connect("GET / HTTP/1.1\r\nHost: x\r\nX: " + new string('a', 40_000) + "\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 431", await Line(client));
    }

    [Fact]
    public async Task A_client_that_is_killed_in_the_midst_of_its_body_leaves_nothing()
    {
        for (int i = 0; i < 20; i++)
        {
            using TcpClient client = await _server.Connect(Head(length: "500") + "{\"inputs\":\"ACG");
            client.Client.LingerState = new LingerOption(true, 0);
        }

        await _server.IsSound();
    }

    [Fact]
    public async Task A_key_is_wanted_where_there_is_one()
    {
        await using RunningServer server = await RunningServer.Start(new ServerOptions { ApiKey = "se cret" });
        foreach (string? key in (string?[])[null, "Bearer", "Bearer ", "Bearer secret", "Basic se cret", "Bearer se cret2", "se cret"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/embed") { Content = new StringContent("{}") };
            if (key is not null) request.Headers.TryAddWithoutValidation("Authorization", key);
            using HttpResponseMessage refused = await server.Client.SendAsync(request);
            (int status, _, string type) = await RunningServer.ErrorOf(refused);
            Assert.Equal((401, "Authentication"), (status, type));
            Assert.Equal("Bearer", refused.Headers.WwwAuthenticate.Single().Scheme);
        }

        foreach (string path in (string[])["/info", "/Info", "/info/", "/%69nfo"])
            Assert.NotEqual(200, (int)(await server.Client.GetAsync(path)).StatusCode);
        foreach (string path in (string[])["/health", "/metrics", "/"])
            Assert.Equal(200, (int)(await server.Client.GetAsync(path)).StatusCode);
        Assert.Contains("invalid_api_key", await (await server.Post("/v1/embeddings", "{}")).Content.ReadAsStringAsync());
        server.Client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", "Bearer se cret");
        Assert.Single(await server.Embed(Toy.Bases(1, 30)));
    }

    private static string Head(string length) =>
        $"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n";

    /// <summary>The first line of an answer; empty where the connection is cut off without one.</summary>
    private static async Task<string> Line(TcpClient client)
    {
        using var reader = new StreamReader(client.GetStream(), Encoding.Latin1, leaveOpen: true);
        try
        {
            return await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)) ?? "";
        }
        catch (IOException)
        {
            return "";
        }
    }
}
