using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Tests.Server;

public sealed class OpenAITests : IAsyncLifetime
{
    private RunningServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await RunningServer.Start();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("/v1/embeddings")]
    [InlineData("/embeddings")]
    public async Task Base64_is_the_same_numbers_as_little_endian_floats(string path)
    {
        // As the Python client of OpenAI posts it.
        JsonNode packed = await Answer(
            path, """{"input": ["ACGTTGCA", "GGGATT"], "model": "text-embedding-3-small", "encoding_format": "base64"}""");
        JsonNode plain = await Answer(path, """{"input": ["ACGTTGCA", "GGGATT"], "model": "any"}""");
        Assert.Equal(("list", "toy"), ((string)packed["object"]!, (string)packed["model"]!));
        for (int i = 0; i < 2; i++)
        {
            JsonNode row = packed["data"]![i]!;
            Assert.Equal(("embedding", i), ((string)row["object"]!, (int)row["index"]!));
            float[] vector = MemoryMarshal.Cast<byte, float>(Convert.FromBase64String((string)row["embedding"]!)).ToArray();
            Assert.Equal(plain["data"]![i]!["embedding"]!.AsArray().Select(x => (float)x!), vector);
            Assert.Equal(1, vector.Sum(x => x * x), 1e-4f);
        }

        var ids = new List<int>();
        _server.Model.Tokenizer.EncodeSequence("ACGTTGCA"u8, ids);
        _server.Model.Tokenizer.EncodeSequence("GGGATT"u8, ids);
        Assert.Equal(ids.Count + 4, (int)packed["usage"]!["prompt_tokens"]!);
        Assert.Equal(ids.Count + 4, (int)packed["usage"]!["total_tokens"]!);
    }

    [Theory]
    [InlineData("""{"input":"ACGT","dimensions":24}""", null)]
    [InlineData("""{"input":"ACGT","dimensions":8}""", "dimensions is 8: vectors of this model have 24 numbers")]
    [InlineData("""{"input":[1,2,3]}""", "token ids are not taken")]
    [InlineData("""{"input":[[1,2],[3]]}""", "token ids are not taken")]
    [InlineData("""{"input":"ACGT","encoding_format":"int8"}""", "encoding_format is float or base64")]
    [InlineData("""{"model":"x"}""", "input")]
    [InlineData("""{"input":null}""", "expected a sequence")]
    public async Task What_cannot_be_given_is_refused_in_the_form_of_its_clients(string request, string? error)
    {
        using HttpResponseMessage answer = await _server.Post("/v1/embeddings", request);
        Assert.Equal(error is null ? 200 : 400, (int)answer.StatusCode);
        if (error is null) return;
        JsonNode fault = (await answer.Content.ReadFromJsonAsync<JsonNode>())!["error"]!;
        Assert.Equal("invalid_request_error", (string)fault["type"]!);
        Assert.Contains(error, (string)fault["message"]!, StringComparison.Ordinal);
        Assert.True(fault.AsObject().ContainsKey("param") && fault.AsObject().ContainsKey("code"));
    }

    private async Task<JsonNode> Answer(string path, string request) =>
        (await (await _server.Post(path, request)).Content.ReadFromJsonAsync<JsonNode>())!;
}
