"""Any gRPC client can operate a coordinator: this one has none of our code.

It learns the services, their methods and messages from the server's reflection, as grpcurl does.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import grpc
except ModuleNotFoundError:
    # The packages of the system are its own Python's, which need not be the first one found.
    SYSTEM = '/usr/bin/python3'
    if os.path.realpath(sys.executable) == os.path.realpath(SYSTEM):
        raise
    os.execv(SYSTEM, [SYSTEM] + sys.argv)
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory

STRING = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
BYTES = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
MESSAGE = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE


def reflection_messages():
    """The few messages of grpc.reflection.v1alpha that are needed to ask for the others."""
    file = descriptor_pb2.FileDescriptorProto(
        name='reflection.proto', package='grpc.reflection.v1alpha', syntax='proto3')

    def add(name, *fields):
        message = file.message_type.add(name=name)
        for field, number, kind, of, repeated in fields:
            message.field.add(name=field, number=number, type=kind,
                              type_name=of and '.grpc.reflection.v1alpha.' + of,
                              label=3 if repeated else 1)

    add('ServerReflectionRequest',
        ('file_by_filename', 3, STRING, None, False),
        ('file_containing_symbol', 4, STRING, None, False),
        ('list_services', 7, STRING, None, False))
    add('Files', ('file_descriptor_proto', 1, BYTES, None, True))
    add('Service', ('name', 1, STRING, None, False))
    add('Services', ('service', 1, MESSAGE, 'Service', True))
    add('ServerReflectionResponse',
        ('file_descriptor_response', 4, MESSAGE, 'Files', False),
        ('list_services_response', 6, MESSAGE, 'Services', False))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return (message_class(pool, 'grpc.reflection.v1alpha.ServerReflectionRequest'),
            message_class(pool, 'grpc.reflection.v1alpha.ServerReflectionResponse'))


def message_class(pool, name):
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name))


class ReflectingClient:
    """Calls methods by name, with messages as dictionaries' keys and values."""

    def __init__(self, channel):
        self.channel = channel
        self.request, response = reflection_messages()
        self.ask = channel.stream_stream(
            '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
            request_serializer=self.request.SerializeToString,
            response_deserializer=response.FromString)
        self.pool = descriptor_pool.DescriptorPool()
        self.known = set()

    def reflect(self, **question):
        return next(self.ask(iter([self.request(**question)])))

    def services(self):
        # Any value asks; proto3 would not send an empty one in a field without presence.
        answer = self.reflect(list_services='*')
        return [service.name for service in answer.list_services_response.service]

    def learn(self, **question):
        for content in self.reflect(**question).file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(content)
            if file.name in self.known:
                continue
            self.known.add(file.name)
            for dependency in file.dependency:
                if dependency not in self.known:
                    self.learn(file_by_filename=dependency)
            self.pool.Add(file)

    def call(self, service, method, **fields):
        if service not in self.known:
            self.learn(file_containing_symbol=service)
            self.known.add(service)
        description = self.pool.FindServiceByName(service).FindMethodByName(method)
        request = message_class(self.pool, description.input_type.full_name)
        response = message_class(self.pool, description.output_type.full_name)
        return self.channel.unary_unary(
            f'/{service}/{method}', request_serializer=request.SerializeToString,
            response_deserializer=response.FromString)(request(**fields))


class AdminReflectionTest(unittest.TestCase):

    def setUp(self):
        # Short, for the socket's path goes into an address of 107 characters.
        self.parent = tempfile.mkdtemp(prefix='causeway.', dir='/tmp')
        self.directory = os.path.join(self.parent, 'd')
        reading, writing = os.pipe()
        self.coordinator = subprocess.Popen(
            ['control/coordinator', '--dir', self.directory, '--ephemeral',
             '--ready_fd', str(writing)], pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as ready:
            self.assertEqual(ready.readline(), 'ready\n')
        self.channel = grpc.insecure_channel('unix:' + self.directory + '/admin.sock')
        self.client = ReflectingClient(self.channel)

    def tearDown(self):
        self.channel.close()
        self.coordinator.terminate()
        self.assertEqual(self.coordinator.wait(), 0)
        self.assertFalse(os.path.exists(self.directory))
        shutil.rmtree(self.parent)

    def admin(self, method, **fields):
        return self.client.call('causeway.v1.Admin', method, **fields)

    def test_services_are_listed(self):
        self.assertIn('causeway.v1.Admin', self.client.services())
        self.assertNotIn('causeway.v1.Agents', self.client.services())

    def test_agents_services_are_listed_on_their_own_socket(self):
        with grpc.insecure_channel('unix:' + self.directory + '/control.sock') as channel:
            self.assertIn('causeway.v1.Agents', ReflectingClient(channel).services())
            self.assertNotIn('causeway.v1.Admin', ReflectingClient(channel).services())

    def test_coordinator_is_described(self):
        description = self.admin('DescribeCoordinator')
        self.assertEqual(description.pid, self.coordinator.pid)
        self.assertEqual(description.epoch, 1)
        self.assertEqual(description.directory, self.directory)
        self.assertEqual(description.limits['max_agents'], 256)

    def test_streams_are_created_listed_and_deleted(self):
        created = self.admin('CreateStream', name='video', options={'segment_bytes': 1 << 20})
        self.assertEqual(created.stream.options.segment_bytes, 1 << 20)
        self.assertGreater(created.stream.options.capacity_bytes, 0)
        listed = self.admin('ListStreams').streams
        self.assertEqual([stream.name for stream in listed], ['video'])
        self.admin('DeleteStream', name='video')
        self.assertEqual(len(self.admin('ListStreams').streams), 0)

    def test_lists_come_in_pages(self):
        names = [f'stream {i}' for i in range(5)]
        for name in names:
            self.admin('CreateStream', name=name)
        seen, token = [], ''
        while True:
            page = self.admin('ListStreams', page_size=2, page_token=token)
            self.assertLessEqual(len(page.streams), 2)
            seen += [stream.name for stream in page.streams]
            token = page.next_page_token
            if not token:
                break
        self.assertEqual(seen, names)

    def test_errors_have_details(self):
        with self.assertRaises(grpc.RpcError) as raised:
            self.admin('DescribeAgent', session_id=999)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
        details = dict(raised.exception.trailing_metadata())['grpc-status-details-bin']
        self.assertIn(b'google.rpc.ResourceInfo', details)
        self.assertIn(b'causeway.v1.Agent', details)

        with self.assertRaises(grpc.RpcError) as raised:
            self.admin('CreateStream', name='a/b')
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        details = dict(raised.exception.trailing_metadata())['grpc-status-details-bin']
        self.assertIn(b'google.rpc.BadRequest', details)

    def test_health_is_told(self):
        for socket in ('admin.sock', 'control.sock'):
            with grpc.insecure_channel(f'unix:{self.directory}/{socket}') as channel:
                check = channel.unary_unary('/grpc.health.v1.Health/Check')
                self.assertEqual(check(b''), b'\x08\x01')  # status: SERVING


if __name__ == '__main__':
    unittest.main()
